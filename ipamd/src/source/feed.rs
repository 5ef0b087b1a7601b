//! Documents that somebody else keeps up to date.
//!
//! The one feed there is reads a file: `podCIDR` reads a Node object (or its `spec`) from it, `nodeNetworkConfig` a
//! `NodeNetworkConfig`, each in YAML or JSON as `kubectl get -o yaml` and `-o json` print it. Whoever writes the file does
//! so by rename, or is read twice. What the node asks for is written beside it, as `FILE.request`.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};

use podnet_daemon_kit::watch::DirectoryWatch;

use super::SourceError;

/// Where a document comes from and wishes go to.
pub(super) trait Feed: Send + 'static {
    /// How errors call it.
    fn name(&self) -> String;

    /// The document: the first time at once, then whenever it changed.
    fn next(&mut self) -> impl Future<Output = Result<String, SourceError>> + Send;

    /// Says what the node asks for, as the JSON of a merge patch.
    fn request(&mut self, wish: &str) -> impl Future<Output = Result<(), SourceError>> + Send;
}

/// The largest file that is read.
const LARGEST: u64 = 1 << 20;

/// A file.
pub(super) struct File {
    path: PathBuf,
    watch: Option<DirectoryWatch>,
    /// What was said last: its text, or why there was none.
    last: Option<Result<String, io::ErrorKind>>,
}

impl File {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, watch: None, last: None }
    }

    fn error(&self, doing: &'static str) -> impl FnOnce(io::Error) -> SourceError + use<> {
        let path = self.path.clone();
        move |source| SourceError::File { doing, path, source }
    }

    /// Before the file is read for the first time, so that no change is missed.
    fn watch(&mut self) -> Result<&mut DirectoryWatch, SourceError> {
        let watch = match self.watch.take() {
            Some(watch) => watch,
            None => DirectoryWatch::new(self.path.parent().unwrap_or(Path::new("/")))
                .map_err(self.error("watch the directory of"))?,
        };
        Ok(self.watch.insert(watch))
    }
}

impl Feed for File {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    async fn next(&mut self) -> Result<String, SourceError> {
        self.watch()?;
        loop {
            let text = read(&self.path);
            let said = text.as_ref().map(String::clone).map_err(io::Error::kind);
            if self.last.as_ref() != Some(&said) {
                self.last = Some(said);
                return text.map_err(self.error("read"));
            }
            let failed = self.error("watch the directory of");
            self.watch()?.changed().await.map_err(failed)?;
        }
    }

    async fn request(&mut self, wish: &str) -> Result<(), SourceError> {
        let mut name = self.path.clone().into_os_string();
        name.push(".request");
        let path = PathBuf::from(name);
        let new = path.with_extension("request.new");
        let written = std::fs::write(&new, wish).and_then(|()| std::fs::rename(&new, &path));
        written.map_err(|source| SourceError::File { doing: "write", path, source })
    }
}

fn read(path: &Path) -> io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {LARGEST} bytes")));
    }
    Ok(text)
}
