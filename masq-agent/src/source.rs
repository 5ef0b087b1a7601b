//! The configuration directory: the files of one moment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use podnet_masq_rules::config::SIZE_LIMIT;

/// Files whose names begin so are read, as by Azure's agent; upstream's one file is called `ip-masq-agent`.
const PREFIX: &str = "ip-masq";

/// How often a directory that changes while it is read is read again.
const ATTEMPTS: usize = 5;

/// `O_NONBLOCK`: a pipe in the directory must not hold the agent up.
const NON_BLOCKING: i32 = 0o4000;

/// A file's name and its bytes, or why there are none.
pub(crate) type Content = (String, Result<Vec<u8>, io::Error>);

/// The directory cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the configuration directory {}", path.display())]
pub(crate) struct SourceError {
    path: PathBuf,
    source: io::Error,
}

/// Reads the files, sorted by name. None of a directory that is not there.
///
/// A `ConfigMap`'s files change all together when the link `..data` is replaced: files read before and after are not
/// given as one state.
pub(crate) fn read(directory: &Path) -> Result<Vec<Content>, SourceError> {
    let data = directory.join("..data");
    let mut files = Vec::new();
    for _ in 0..ATTEMPTS {
        let before = fs::read_link(&data).ok();
        files = list(directory)
            .map_err(|source| SourceError { path: directory.to_owned(), source })?
            .into_iter()
            .map(|name| {
                let content = content(&directory.join(&name));
                (name, content)
            })
            .collect();
        let is_one_state = fs::read_link(&data).ok() == before
            && !files.iter().any(|(_, content): &Content| is_gone(content));
        if is_one_state {
            break;
        }
    }
    Ok(files)
}

fn list(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        // Another name than UTF-8's does not begin with the prefix, or is not a name that anybody gave on purpose.
        if let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn is_gone(content: &Result<Vec<u8>, io::Error>) -> bool {
    matches!(content, Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// One byte more than a file may have is enough to see that it is too large.
pub(crate) fn content(path: &Path) -> io::Result<Vec<u8>> {
    let file: File = OpenOptions::new().read(true).custom_flags(NON_BLOCKING).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut bytes = Vec::new();
    file.take(u64::try_from(SIZE_LIMIT).unwrap_or(u64::MAX) + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        read(directory).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn the_agents_files_in_the_order_of_their_names() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["ip-masq-b", "other", "ip-masq-agent", ".ip-masq", "..data"] {
            fs::write(directory.path().join(name), name).unwrap();
        }
        assert_eq!(names(directory.path()), ["ip-masq-agent", "ip-masq-b"]);
    }

    #[test]
    fn a_config_map_is_read_through_its_links() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::create_dir(path.join("..1")).unwrap();
        fs::write(path.join("..1/ip-masq-agent"), "content").unwrap();
        symlink("..1", path.join("..data")).unwrap();
        symlink("..data/ip-masq-agent", path.join("ip-masq-agent")).unwrap();
        let files = read(path).unwrap();
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].1.as_deref().unwrap(), b"content");
    }

    #[test]
    fn no_directory_is_no_file_and_a_file_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        assert!(read(&directory.path().join("missing")).unwrap().is_empty());
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(read(&file).is_err());
    }

    #[test]
    fn what_is_no_file_or_too_large_is_told() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("ip-masq-dir")).unwrap();
        fs::write(directory.path().join("ip-masq-large"), vec![b'#'; 10 << 20]).unwrap();
        symlink("nowhere", directory.path().join("ip-masq-link")).unwrap();
        let files = read(directory.path()).unwrap();
        assert!(files[0].1.is_err() && files[2].1.is_err());
        assert_eq!(files[1].1.as_ref().unwrap().len(), SIZE_LIMIT + 1);
    }
}
