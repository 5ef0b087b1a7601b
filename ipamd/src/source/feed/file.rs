//! A document in a file.

use std::io;
use std::path::{Path, PathBuf};

use podnet_daemon_kit::watch::DirectoryWatch;
use serde_json::Value;

use super::Feed;
use crate::source::{SourceError, Wish, content};

/// The largest file that is read.
const LARGEST: u64 = 1 << 20;

/// A file.
pub(in crate::source) struct File {
    path: PathBuf,
    watch: Option<DirectoryWatch>,
    /// What was said last: its text, or why there was none.
    last: Option<Result<String, io::ErrorKind>>,
}

impl File {
    pub(in crate::source) fn new(path: PathBuf) -> Self {
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

    async fn next(&mut self) -> Result<Value, SourceError> {
        self.watch()?;
        loop {
            let text = read(&self.path);
            let said = text.as_ref().map(String::clone).map_err(io::Error::kind);
            if self.last.as_ref() != Some(&said) {
                self.last = Some(said);
                let text = text.map_err(self.error("read"))?;
                let document = serde_saphyr::from_str(&text);
                return document.map_err(|error| content(&self.name())(error.without_snippet().to_string()));
            }
            let failed = self.error("watch the directory of");
            self.watch()?.changed().await.map_err(failed)?;
        }
    }

    async fn request(&mut self, wish: &Wish) -> Result<(), SourceError> {
        let mut name = self.path.clone().into_os_string();
        name.push(".request");
        let path = PathBuf::from(name);
        let new = path.with_extension("request.new");
        // A merge patch, for `kubectl patch --type merge --patch-file`.
        let text = serde_json::json!({"spec": wish}).to_string();
        let written = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &path));
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
