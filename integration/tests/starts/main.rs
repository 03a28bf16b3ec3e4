//! The five-minute starts of the documents, run command by command as they stand there.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failing helper is a failing test"
)]

mod page;
mod rights;

use std::{path::Path, process::Command};

use mesh_integration::{mesh, skip};
use page::Page;

/// Longest time that a page may take.
const PATIENCE: &str = "240";

/// What the commands of a page need.
#[derive(Default)]
struct Needs<'a> {
    /// Programs that its commands call, beside `mesh`.
    programs: &'a [&'a Path],
    /// Commands that make the rest of its world.
    world: String,
    /// Its system must be left as it is: Nomad's agent isolates its tasks by itself.
    bare: bool,
}

/// Runs the `sh` blocks of a page in one shell, in a directory that holds its files, and compares what they print with
/// the `text` blocks. Where the system allows it, in a network of its own: the ports of the page may be taken here.
fn follow(page: &Page, needs: &Needs<'_>) {
    let directory = tempfile::tempdir().unwrap();
    page.write_files(directory.path());
    let tools = directory.path().join(".tools");
    std::fs::create_dir(&tools).unwrap();
    for program in needs.programs.iter().copied().chain([mesh::binary()]) {
        let name = program.file_name().unwrap();
        std::os::unix::fs::symlink(std::path::absolute(program).unwrap(), tools.join(name)).unwrap();
    }
    let isolation = ["-r", "-n", "-p", "-f", "--kill-child"];
    let isolated = !needs.bare
        && Command::new("unshare")
            .args(isolation)
            .arg("true")
            .status()
            .is_ok_and(|status| status.success());
    let mut script = format!("PATH={}:$PATH\n", tools.display());
    if isolated {
        script.push_str("ip link set lo up\n");
    }
    script.push_str(&needs.world);
    script.push_str("set -e\n");
    for step in &page.steps {
        script.push_str(&step.commands);
        script.push_str("echo '--- end of step'\n");
    }
    std::fs::write(tools.join("script"), script).unwrap();
    let mut command = Command::new("timeout");
    command.arg(PATIENCE);
    if isolated {
        command.arg("unshare").args(isolation);
    }
    let output = command
        .arg("bash")
        .arg(tools.join("script"))
        .current_dir(directory.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let log = std::fs::read_to_string(directory.path().join("mesh.log")).unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}: {}\n{told}\n{errors}\n{log}",
        page.name,
        output.status
    );
    let steps: Vec<_> = told.split("--- end of step\n").collect();
    for (step, told) in page.steps.iter().zip(steps) {
        if let Some(expected) = &step.prints {
            assert_eq!(told, expected, "{}:{}\n{errors}\n{log}", page.name, step.line);
        }
    }
}

#[test]
fn the_start_with_consul_does_what_its_page_says() {
    let Some(consul) = skip::consul() else { return };
    let page = Page::read("docs/start-consul.md");
    assert_eq!(page.steps.len(), 5, "steps");
    follow(
        &page,
        &Needs {
            programs: &[&consul],
            ..Needs::default()
        },
    );
}

#[test]
fn the_start_with_nomad_does_what_its_page_says() {
    let page = Page::read("docs/start-nomad.md");
    assert_eq!(page.steps.len(), 2, "steps");
    let Some(nomad) = skip::nomad() else { return };
    follow(
        &page,
        &Needs {
            programs: &[&nomad],
            bare: true,
            ..Needs::default()
        },
    );
}

/// In the place of the task's container, a server that says what the image would.
#[test]
fn the_start_with_ecs_does_what_its_page_says() {
    let (Some(python), Some(aws)) = (skip::moto(), skip::aws_cli()) else {
        return;
    };
    let page = Page::read("docs/start-ecs.md");
    assert_eq!(page.steps.len(), 3, "steps");
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("aws/server.py");
    let world = format!(
        "export AWS_ENDPOINT_URL=http://127.0.0.1:5000 AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1\n\
         export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_EC2_METADATA_DISABLED=true AWS_PAGER= AWS_MAX_ATTEMPTS=1\n\
         ({} {} 5000 > .tools/moto.log 2>&1 &)\n\
         mkdir .tools/httpd && echo '<html><body><h1>It works!</h1></body></html>' > .tools/httpd/index.html\n\
         (python3 -m http.server 80 --directory .tools/httpd > .tools/httpd.log 2>&1 &)\n\
         until curl --silent --output .tools/answer $AWS_ENDPOINT_URL/says/calls; do sleep 0.1; done\n\
         VPC=$(aws ec2 create-vpc --cidr-block 127.78.0.0/16 --query Vpc.VpcId --output text)\n\
         aws ec2 modify-vpc-attribute --vpc-id $VPC --enable-dns-hostnames\n\
         SUBNET=$(aws ec2 create-subnet --vpc-id $VPC --cidr-block 127.78.1.0/24 --query Subnet.SubnetId --output text)\n\
         GROUP=$(aws ec2 describe-security-groups --filters Name=vpc-id,Values=$VPC --query 'SecurityGroups[0].GroupId' --output text)\n",
        python.display(),
        server.display(),
    );
    follow(
        &page,
        &Needs {
            programs: &[&aws],
            world,
            ..Needs::default()
        },
    );
}
