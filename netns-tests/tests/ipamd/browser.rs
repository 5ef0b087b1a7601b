//! The status page in a browser, without scripts and with them.

use std::process::Stdio;

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::ipamd::{Ipamd, body_for};
use podnet_netns_tests::process::{command, run};
use podnet_netns_tests::{ensure, tools};

use super::{STATIC, Test, folder};

pub(super) const TESTS: &[Test] = &[("page::a_browser_shows_names_and_runs_none", page)];

/// What the browser makes of a page.
fn dom(flags: &[&str]) -> Result<String, Failure> {
    let chromium = tools::in_path("chromium")?;
    let usual = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--user-data-dir=/run/chromium",
        "--dump-dom",
    ];
    let words = usual.iter().chain(flags).copied().chain(["http://127.0.0.1:10092/"]);
    run(command(chromium, words).env("HOME", "/run").stdin(Stdio::null()), b"")?.success()
}

fn page() -> Outcome {
    let daemon = Ipamd::start(&folder()?, &format!("metrics: '127.0.0.1:10092'\n{STATIC}"))?;
    daemon.ready()?;
    let hostile = "<script>document.title='run'</script><img src=x onerror=document.title='run'>";
    let body = body_for("a").replace("pod-a", hostile);
    let address = daemon.post("/network/requestipconfigs", &body)?.address()?;
    let dom = dom(&[])?;
    ensure!(dom.contains("<title>podnet-ipamd</title>"), "something of the page ran:\n{dom}");
    ensure!(!dom.contains("<script") && !dom.contains("<img"), "a name became markup:\n{dom}");
    ensure!(
        dom.contains("&lt;script&gt;document.title='run'&lt;/script&gt;"),
        "the name is not shown:\n{dom}"
    );
    ensure!(dom.contains(&address), "the address is not shown:\n{dom}");
    ensure!(
        dom.contains("title=\"1 assigned\"") && dom.contains("title=\"255 available\""),
        "no bar:\n{dom}"
    );
    Ok(())
}
