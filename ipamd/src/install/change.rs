//! Changes of the file system: each whole or not at all, and none the worse for being made twice.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::error::{InstallError, file};
use super::item::{Content, Item};
use super::plan::Put;

/// Brings an item to its place; what was done, for the operator.
pub(super) fn put(item: &Item, put: Put) -> Result<String, InstallError> {
    let path = item.path.display();
    let done = match put {
        Put::Done => return Ok(format!("{path}: up to date")),
        Put::Theirs => return Ok(format!("{path}: kept as it is")),
        Put::New | Put::Replace => "installed".to_owned(),
        Put::Backup => {
            copy(&item.path, &item.copy())?;
            format!("installed; what was there is {}", item.copy().display())
        }
    };
    if let Some(folder) = item.path.parent() {
        fs::create_dir_all(folder).map_err(file("make", folder))?;
    }
    match &item.content {
        Content::File(bytes, mode) => write(&item.path, bytes, *mode)?,
        Content::Link(target) => link(target, &item.path)?,
    }
    Ok(format!("{path}: {done}"))
}

/// The name of what is not complete yet: hidden, and of no extension that a runtime reads.
fn draft(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.podnet-new"))
}

/// Writes a file, complete and verified before it has its name.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), InstallError> {
    let draft = draft(path);
    remove(&draft)?;
    let written = write_draft(&draft, bytes, mode).map_err(file("write", path));
    let outcome = written.and_then(|()| {
        if fs::read(&draft).map_err(file("read back", &draft))? != bytes {
            return Err(InstallError::Corrupt { path: path.to_owned() });
        }
        fs::rename(&draft, path).map_err(file("replace", path))
    });
    // The first error is the one to tell.
    outcome.inspect_err(|_| drop(fs::remove_file(&draft)))
}

fn write_draft(draft: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(draft)?;
    file.write_all(bytes)?;
    // Whatever the process's mask is.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

fn link(target: &str, path: &Path) -> Result<(), InstallError> {
    let draft = draft(path);
    remove(&draft)?;
    symlink(target, &draft).map_err(file("link", path))?;
    fs::rename(&draft, path).map_err(file("replace", path))
}

/// Gives what is there a second name. What had that name is an older copy.
fn copy(path: &Path, copy: &Path) -> Result<(), InstallError> {
    let draft = draft(copy);
    remove(&draft)?;
    fs::hard_link(path, &draft).map_err(file("keep a copy of", path))?;
    fs::rename(&draft, copy).map_err(file("replace", copy))?;
    // Of two names of one file, rename(2) takes neither.
    remove(&draft)
}

/// Removes a file or link that may be gone already.
pub(super) fn remove(path: &Path) -> Result<(), InstallError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Gives a copy its first name back.
pub(super) fn restore(copy: &Path, path: &Path) -> Result<(), InstallError> {
    fs::rename(copy, path).map_err(file("bring back", path))
}

/// Makes a folder, and notes what had to be made.
pub(super) fn make_folder(folder: &Path, made: &mut Vec<PathBuf>) -> Result<(), InstallError> {
    missing(folder, made);
    fs::create_dir_all(folder).map_err(file("make", folder))
}

/// Notes the folders on the way to a file that are not there, outermost first.
pub(super) fn missing_folders(path: &Path, noted: &mut Vec<PathBuf>) {
    missing(path.parent().unwrap_or(Path::new("/")), noted);
}

fn missing(folder: &Path, noted: &mut Vec<PathBuf>) {
    let mut missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    missing.retain(|folder| !noted.iter().any(|other| other == folder));
    noted.extend(missing.into_iter().rev().map(Path::to_owned));
}

/// Removes a folder, unless there is something in it.
pub(super) fn remove_folder(folder: &Path) -> Result<(), InstallError> {
    match fs::remove_dir(folder) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
            Err(file("remove", folder)(error))
        }
        _ => Ok(()),
    }
}

/// Fails where a file could not be made or replaced, naming its folder: before anything has changed.
pub(super) fn ensure_writable(path: &Path) -> Result<(), InstallError> {
    let parents = path.ancestors().skip(1);
    let Some(folder) = parents.into_iter().find(|folder| folder.exists()) else { return Ok(()) };
    let access = access(folder, AccessFlags::W_OK | AccessFlags::X_OK);
    access.map_err(|errno| file("write into", folder)(errno.into()))
}
