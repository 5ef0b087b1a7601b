//! What is brought: programs beside this one, and what is compiled into it.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::{InstallError, file};
use super::item::{Item, sum};
use super::plugin;

/// The sums of the programs beside it, as `sha256sum` writes and reads them.
const SUMS: &str = "SHA256SUMS";

/// The daemons' place, and the one that their units name.
const SBIN: &str = "/usr/local/bin";
const UNITS: &str = "/etc/systemd/system";

/// The daemons and their units.
const SERVICES: [(&str, &str); 2] = [
    ("podnet-ipamd", include_str!("../../../conf/podnet-ipamd.service")),
    ("podnet-masq-agent", include_str!("../../../conf/podnet-masq-agent.service")),
];

/// The folder of this program.
pub(super) fn beside_this_program() -> Result<PathBuf, InstallError> {
    let own = env::current_exe().map_err(file("find", Path::new("/proc/self/exe")))?;
    Ok(own.parent().unwrap_or(Path::new("/")).to_owned())
}

/// A program, which is what the list of sums beside it says, if there is one.
pub(super) fn program(from: &Path, name: &str) -> Result<Vec<u8>, InstallError> {
    let path = from.join(name);
    let bytes = fs::read(&path).map_err(file("read", &path))?;
    let sums = from.join(SUMS);
    let list = match fs::read_to_string(&sums) {
        Ok(list) => list,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(bytes),
        Err(error) => return Err(file("read", &sums)(error)),
    };
    let line = list.lines().filter_map(|line| line.split_once([' ', '\t']));
    // A star before the name means that it was read as binary.
    let wanted = line.into_iter().find(|(_, file)| file.trim().trim_start_matches('*') == name);
    let (found, wanted) = (sum(&bytes), wanted.map_or_else(String::new, |(sum, _)| sum.to_ascii_lowercase()));
    if found == wanted { Ok(bytes) } else { Err(InstallError::Sum { path, sums, found, wanted }) }
}

/// The daemons and their units.
pub(super) fn services(from: &Path) -> Result<Vec<Item>, InstallError> {
    let mut items = Vec::new();
    for (name, unit) in SERVICES {
        items.push(Item::program(Path::new(SBIN).join(name), program(from, name)?));
        items.push(Item::text(Path::new(UNITS).join(format!("{name}.service")), unit.to_owned()));
    }
    Ok(items)
}

/// A network configuration list that podnet accepts.
pub(super) fn conflist(path: &Path, podnet: &Path) -> Result<String, InstallError> {
    let text = fs::read_to_string(path).map_err(file("read", path))?;
    plugin::check_conflist(podnet, path)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_what_its_sum_says() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path();
        fs::write(from.join("podnet"), "abc").unwrap();
        assert_eq!(program(from, "podnet").unwrap(), b"abc", "without a list");
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for line in [format!("{abc}  podnet\n"), format!("0  other\n{} *podnet\n", abc.to_uppercase())] {
            fs::write(from.join(SUMS), line).unwrap();
            assert_eq!(program(from, "podnet").unwrap(), b"abc");
        }
        for line in ["", "00  podnet\n"] {
            fs::write(from.join(SUMS), line).unwrap();
            assert!(matches!(program(from, "podnet"), Err(InstallError::Sum { .. })), "{line:?}");
        }
    }
}
