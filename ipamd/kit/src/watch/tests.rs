use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_millis(50);

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn hears(watch: &mut DirectoryWatch) {
    timeout(PATIENCE, watch.changed()).await.expect("nothing heard").unwrap();
}

async fn drain(watch: &mut DirectoryWatch) {
    while let Ok(heard) = timeout(SILENCE, watch.changed()).await {
        heard.unwrap();
    }
}

#[test]
fn a_config_map_is_swapped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for version in ["..1", "..2"] {
        fs::create_dir(path.join(version)).unwrap();
        fs::write(path.join(version).join("file"), version).unwrap();
    }
    symlink("..1", path.join("..data")).unwrap();
    symlink("..data/file", path.join("file")).unwrap();
    block_on(async {
        let mut watch = DirectoryWatch::new(path).unwrap();
        symlink("..2", path.join("..data_tmp")).unwrap();
        drain(&mut watch).await;
        fs::rename(path.join("..data_tmp"), path.join("..data")).unwrap();
        hears(&mut watch).await;
        assert_eq!(fs::read(path.join("file")).unwrap(), b"..2");
    });
}

#[test]
fn a_directory_appears_goes_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b");
    block_on(async {
        let mut watch = DirectoryWatch::new(&path).unwrap();
        fs::write(folder.path().join("beside"), "").unwrap();
        assert!(timeout(SILENCE, watch.changed()).await.is_err(), "a file beside it is no change in it");
        for _ in 0..3 {
            fs::create_dir_all(&path).unwrap();
            hears(&mut watch).await;
            drain(&mut watch).await;
            fs::write(path.join("file"), "").unwrap();
            hears(&mut watch).await;
            fs::remove_dir_all(folder.path().join("a")).unwrap();
            hears(&mut watch).await;
            drain(&mut watch).await;
        }
    });
}

#[test]
fn a_directory_is_replaced_by_rename() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("now"), folder.path().join("next"));
    fs::create_dir(&path).unwrap();
    block_on(async {
        let mut watch = DirectoryWatch::new(&path).unwrap();
        fs::rename(&path, folder.path().join("former")).unwrap();
        fs::create_dir(&other).unwrap();
        fs::rename(&other, &path).unwrap();
        hears(&mut watch).await;
        drain(&mut watch).await;
        fs::write(path.join("file"), "").unwrap();
        hears(&mut watch).await;
    });
}
