//! Mesh and files on a real disk.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use mesh_integration::{Backend, Mesh, until};

/// A router and a service called `name` for `name.example.com`, in the file `file`.
fn write(directory: &Path, file: &str, name: &str, backend: &Backend) {
    let text = format!(
        "http:\n  routers:\n    {name}: {{rule: 'Host(`{name}.example.com`)', service: {name}}}\n  services:\n    \
         {name}: {{loadBalancer: {{servers: [{{url: 'http://{}'}}]}}}}\n",
        backend.address()
    );
    fs::write(directory.join(file), text).unwrap();
}

async fn mesh_on(directory: &Path) -> Mesh {
    Mesh::start(&format!("  file: {{directory: '{}'}}\n", directory.display())).await
}

#[tokio::test]
async fn a_changed_file_reaches_routing_in_a_tenth_of_a_second() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    write(directory.path(), "shop.yml", "shop", &one);
    let mesh = mesh_on(directory.path()).await;
    until("the route is there", async || {
        mesh.who("shop.example.com").await.is_some()
    })
    .await;
    let mut times = Vec::new();
    for round in 0..10 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (backend, name) = if round % 2 == 0 {
            (&two, "two")
        } else {
            (&one, "one")
        };
        write(directory.path(), "shop.yml", "shop", backend);
        let start = Instant::now();
        until("the change arrives", async || {
            mesh.who("shop.example.com").await.as_deref() == Some(name)
        })
        .await;
        times.push(start.elapsed());
    }
    times.sort();
    assert!(times[times.len() / 2] <= Duration::from_millis(100), "{times:?}");
}

#[tokio::test]
async fn a_file_that_breaks_keeps_its_routes_and_harms_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    write(directory.path(), "a.yml", "a", &one);
    let mesh = mesh_on(directory.path()).await;
    until("the route is there", async || {
        mesh.who("a.example.com").await.is_some()
    })
    .await;

    fs::write(directory.path().join("a.yml"), "http:\n  routers: [}\n").unwrap();
    write(directory.path(), "b.yml", "b", &two);
    until("the other file counts", async || {
        mesh.who("b.example.com").await.is_some()
    })
    .await;
    until("the error shows its line", async || {
        mesh.errors("file")
            .await
            .iter()
            .any(|error| error.contains("a.yml:2"))
    })
    .await;
    assert_eq!(mesh.who("a.example.com").await.as_deref(), Some("one"));

    write(directory.path(), "a.yml", "a", &two);
    until("the mended file counts", async || {
        mesh.who("a.example.com").await.as_deref() == Some("two")
    })
    .await;
    assert!(mesh.errors("file").await.is_empty());
}

#[tokio::test]
async fn a_deleted_file_takes_its_routes_along_and_a_vanished_directory_none() {
    let directory = tempfile::tempdir().unwrap();
    let (here, away) = (directory.path().join("here"), directory.path().join("away"));
    fs::create_dir(&here).unwrap();
    let backend = Backend::start("one").await;
    write(&here, "a.yml", "a", &backend);
    write(&here, "b.yml", "b", &backend);
    let mesh = mesh_on(&here).await;
    until("the routes are there", async || {
        mesh.who("b.example.com").await.is_some()
    })
    .await;

    fs::remove_file(here.join("a.yml")).unwrap();
    until("its route is gone", async || {
        mesh.all("a.example.com").await == ["404"]
    })
    .await;
    fs::rename(&here, &away).unwrap();
    until("the failure shows of the directory and of its file", async || {
        let scopes = mesh.scopes("file").await;
        scopes.len() == 2 && scopes.iter().all(|scope| scope["state"] == "failed")
    })
    .await;
    assert_eq!(mesh.all("b.example.com").await, ["one"]);
    fs::rename(&away, &here).unwrap();
    until("all is well again", async || mesh.errors("file").await.is_empty()).await;
}

#[tokio::test]
async fn of_two_files_with_the_same_object_the_first_by_name_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (Backend::start("first").await, Backend::start("second").await);
    write(directory.path(), "b.yml", "same", &second);
    write(directory.path(), "a.yml", "same", &first);
    let mesh = mesh_on(directory.path()).await;
    until("the route is there", async || {
        mesh.who("same.example.com").await.is_some()
    })
    .await;
    assert_eq!(mesh.all("same.example.com").await, ["first"]);
    let (_, router) = mesh.admin("/api/rawdata").await.unwrap();
    let text = router.to_string();
    assert!(
        text.contains("a.yml") && text.contains("b.yml"),
        "nobody says who disagrees: {text}"
    );
    fs::remove_file(directory.path().join("a.yml")).unwrap();
    until("the other takes over", async || {
        mesh.all("same.example.com").await == ["second"]
    })
    .await;
}
