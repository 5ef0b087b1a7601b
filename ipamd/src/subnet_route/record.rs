//! Which routes are ours: a line each, `DST via GATEWAY dev INDEX`. It dies with the boot, as the routes do.

use std::io;
use std::path::{Path, PathBuf};

use podnet_datapath::TableRoute;

use super::SubnetRouteError;
use super::plan::STATIC;

/// The record's name in the state directory.
const NAME: &str = "subnet-routes";

/// The record of the daemon with this state directory.
pub(super) struct Record(PathBuf);

impl Record {
    pub(super) fn of(state: &Path) -> Self {
        Self(state.join(NAME))
    }

    /// The routes. A line that cannot be read is no route of ours: what is not known to be ours stays.
    pub(super) fn read(&self) -> Result<Vec<TableRoute>, SubnetRouteError> {
        match std::fs::read_to_string(&self.0) {
            Ok(text) => Ok(text.lines().filter_map(parse).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(self.failed("read", source)),
        }
    }

    /// Writes them, by rename.
    pub(super) fn write(&self, routes: &[TableRoute]) -> Result<(), SubnetRouteError> {
        let new = self.0.with_extension("new");
        let text: String = routes.iter().filter_map(line).collect();
        let written = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &self.0));
        written.map_err(|source| self.failed("write", source))
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> SubnetRouteError {
        SubnetRouteError::Record { doing, path: self.0.clone(), source }
    }
}

fn line(route: &TableRoute) -> Option<String> {
    Some(format!("{} via {} dev {}\n", route.dst, route.via?, route.link))
}

fn parse(text: &str) -> Option<TableRoute> {
    let mut words = text.split(' ');
    let dst = words.next()?.parse().ok()?;
    let via = words.nth(1)?.parse().ok()?;
    let link = words.nth(1)?.parse().ok()?;
    Some(TableRoute::new(dst, via, link, STATIC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_anything_else_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::of(folder.path());
        assert_eq!(record.read().unwrap(), []);
        let (subnet, gateway) = ("10.241.0.0/16".parse().unwrap(), "10.224.0.1".parse().unwrap());
        let routes = [TableRoute::new(subnet, gateway, 7, STATIC)];
        record.write(&routes).unwrap();
        assert_eq!(record.read().unwrap(), routes);
        std::fs::write(folder.path().join(NAME), "10.241.0.0/16 via\n\nx via 1.1.1.1 dev 2\n").unwrap();
        assert_eq!(record.read().unwrap(), []);
    }
}
