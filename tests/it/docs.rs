//! What the documents say is so: examples are valid, options exist and are all described, links lead somewhere.

mod links;
mod migrating;
mod options;
mod page;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use page::Page;

/// Sections that make a document dynamic, unless there are others beside them.
const DYNAMIC: [&str; 4] = ["http", "tcp", "udp", "tls"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `mesh` as nobody has configured it.
fn mesh(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesh"));
    command.current_dir(directory).env_clear();
    command
}

/// All files below `directory` whose names end with one of `extensions`.
fn files(directory: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            found.extend(files(&path, extensions));
        } else if extension.is_some_and(|extension| extensions.contains(&extension)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// README.md and everything in docs/.
fn pages() -> BTreeMap<PathBuf, Page> {
    let mut paths = files(&root().join("docs"), &["md"]);
    paths.push(root().join("README.md"));
    paths
        .into_iter()
        .map(|path| {
            let page = Page::parse(&fs::read_to_string(&path).unwrap());
            (path, page)
        })
        .collect()
}

/// The names of the sections of a YAML or TOML text.
fn sections(text: &str) -> Vec<&str> {
    let mut in_table = false;
    text.lines()
        .filter_map(|line| {
            let name = line.trim_start_matches('[');
            let is_header = name.len() < line.len();
            in_table |= is_header;
            let end = name.find(|char: char| !char.is_ascii_alphanumeric())?;
            let (name, rest) = name.split_at(end);
            // A key below the header of a TOML table belongs to that table.
            let at_root = is_header || !in_table;
            let names = rest.trim_start().starts_with([':', '.', '=', ']']);
            (at_root && names && !name.is_empty()).then_some(name)
        })
        .collect()
}

/// Checks the file at `path`; `Err` holds what `mesh check` says.
fn check(path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).unwrap();
    let sections = sections(&text);
    let has_dynamic = sections.iter().any(|name| DYNAMIC.contains(name));
    let is_static = sections.iter().any(|name| !DYNAMIC.contains(name));
    let mut command = mesh(path.parent().unwrap());
    command.arg("check");
    if is_static {
        command.arg("--config").arg(path.file_name().unwrap());
    } else {
        command
            .args(["--entryPoints.web.address=:80", "--api", "--ping"])
            .arg(path);
    }
    let nothing = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
    if is_static && !has_dynamic && !text.contains("directory = \"dynamic\"") {
        // A directory that it names may not be on this machine.
        command.arg(nothing.path());
    }
    let output = command.output().unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{}\n{}",
        path.display(),
        String::from_utf8_lossy(&output.stderr)
    ))
}

#[test]
fn every_example_is_valid() {
    let examples = files(&root().join("docs/examples"), &["yml", "toml"]);
    assert!(examples.len() > 5, "{examples:?}");
    let wrong: Vec<_> = examples.iter().filter_map(|path| check(path).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The command within an example, `cd DIRECTORY && mesh ARGUMENTS` or without the first half.
fn command(example: &str) -> Option<(PathBuf, Vec<&str>)> {
    let line = example.lines().find_map(|line| line.strip_prefix("#   "))?;
    let line = line.split(" #").next()?.trim();
    let (directory, line) = match line.strip_prefix("cd ") {
        Some(rest) => rest.split_once(" && ")?,
        None => (".", line),
    };
    let arguments = line.strip_prefix("mesh")?.split_whitespace().collect();
    Some((root().join(directory), arguments))
}

#[test]
fn every_example_is_started_by_the_command_in_it() {
    let examples = files(&root().join("docs/examples"), &["yml", "toml"]);
    let mut wrong = Vec::new();
    // What lies in `dynamic` is read by what lies beside that.
    for path in examples
        .iter()
        .filter(|path| !path.parent().unwrap().ends_with("dynamic"))
    {
        let text = fs::read_to_string(path).unwrap();
        let Some((directory, arguments)) = command(&text) else {
            wrong.push(format!("{}: no command", path.display()));
            continue;
        };
        let output = mesh(&directory).arg("check").args(&arguments).output().unwrap();
        let (told, errors) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        let routes = text.contains("\n  routers:") || path.ends_with("directory/mesh.toml");
        if !output.status.success() || (routes && told.contains("ok: 0 routers")) {
            wrong.push(format!("{}: {told}{errors}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Fragments are marked in the text: ```` ```yaml fragment ````.
#[test]
fn every_document_within_a_page_is_valid() {
    let directory = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (path, page) in pages() {
        for block in page
            .blocks
            .iter()
            .filter(|block| ["yaml", "toml"].contains(&&*block.info))
        {
            let named = block.text.lines().next().and_then(|line| line.strip_prefix("# "));
            let named = named.filter(|name| !name.contains([' ', '/']));
            let file = named.map_or_else(|| format!("page.{}", block.info), str::to_owned);
            let file = directory.path().join(file);
            fs::write(&file, with_certificates(&block.text, directory.path())).unwrap();
            if let Err(error) = check(&file) {
                wrong.push(format!("{}:{}: {error}", path.display(), block.line));
            }
            count += 1;
        }
    }
    assert!(count > 10, "only {count} documents were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `text` with certificates that exist in place of those that readers have.
fn with_certificates(text: &str, directory: &Path) -> String {
    if !["shop", "clients"]
        .iter()
        .any(|name| text.contains(&format!("/etc/mesh/{name}.pem")))
    {
        return text.to_owned();
    }
    let pair = rcgen::generate_simple_self_signed(["shop.example.com".to_owned()]).unwrap();
    for name in ["shop", "default", "clients"] {
        fs::write(directory.join(format!("{name}.pem")), pair.cert.pem()).unwrap();
        fs::write(
            directory.join(format!("{name}.key")),
            pair.signing_key.serialize_pem(),
        )
        .unwrap();
    }
    text.replace("/etc/mesh", &directory.display().to_string())
}

#[test]
fn an_example_with_a_mistake_would_be_noticed() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("a.yml", "entryPoints: {web: {adress: ':80'}}\n"),
        ("b.toml", "[http.routers.a]\nrule = \"Hots(`a`)\"\n"),
        (
            "c.yml",
            "http: {routers: {a: {rule: 'Host(`a`)', service: nope}}}\n",
        ),
    ] {
        let file = directory.path().join(name);
        fs::write(&file, text).unwrap();
        assert!(check(&file).is_err(), "{name} was taken");
    }
}
