//! Other networks' configurations: a container runtime takes the first file by name, and no other.

use std::io;
use std::path::{Path, PathBuf};

/// What runtimes read.
const EXTENSIONS: [&str; 3] = ["conf", "conflist", "json"];

/// The configurations that come before `ours`, in its folder, in their order. No folder: none.
pub fn before(ours: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = ours.parent().unwrap_or(Path::new("/"));
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let is_read = |path: &PathBuf| EXTENSIONS.iter().any(|known| path.extension() == Some(known.as_ref()));
    let mut rivals: Vec<PathBuf> =
        paths?.into_iter().filter(|path| is_read(path) && path.file_name() < ours.file_name()).collect();
    rivals.sort();
    Ok(rivals)
}

/// What to say of one.
pub fn warning(rival: &Path, ours: &Path) -> String {
    format!(
        "{}: it comes before {} by name: runtimes take it, and new pods get its network; move it away",
        rival.display(),
        ours.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_runtime_would_take_first_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let ours = folder.path().join("10-podnet.conflist");
        assert_eq!(before(&folder.path().join("missing/10.conflist")).unwrap(), Vec::<PathBuf>::new());
        for name in ["10-podnet.conflist", "10-azure.conflist", "05-a.conf", "05-b.bak", "20-c.conflist"] {
            std::fs::write(folder.path().join(name), "{}").unwrap();
        }
        let expected = ["05-a.conf", "10-azure.conflist"].map(|name| folder.path().join(name));
        assert_eq!(before(&ours).unwrap(), expected);
    }
}
