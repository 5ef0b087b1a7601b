//! After an installation: what still stands between the node and its network.

use std::path::Path;

use podnet_daemon_kit::Chain;

use super::folders::Folders;
use super::{Report, plugin};
use crate::rivals;

/// Other networks' lists, and the doctor's findings.
pub(super) fn judge(
    report: &mut Report,
    folders: &Folders,
    daemons_conflist: Option<&Path>,
    asks_doctor: bool,
) {
    let ours = daemons_conflist.map_or_else(|| folders.conf.join(super::CONFLIST), Path::to_owned);
    match rivals::before(&ours) {
        Ok(rivals) => rivals.iter().for_each(|rival| report.warn(rivals::warning(rival, &ours))),
        Err(error) => report.warn(format!("cannot list the folder of {}: {error}", ours.display())),
    }
    if !asks_doctor {
        return;
    }
    match plugin::doctor(folders) {
        Ok((said, is_well)) => {
            report.say(format!("podnet doctor:\n{}", said.trim_end()));
            if let Some(conflist) = daemons_conflist.filter(|conflist| !conflist.exists()) {
                report.say(format!("{} comes as soon as podnet-ipamd can serve", conflist.display()));
            }
            if !is_well {
                report.warn("the doctor has findings, see above");
            }
        }
        Err(error) => report.warn(Chain(&error).to_string()),
    }
}
