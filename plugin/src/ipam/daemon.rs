//! `podnet-ipamd` and `azure-cns`: a daemon of the node hands out addresses of its pool.
//!
//! ```text
//!  ADD    withdraw what waits ─▶ request ─▶ Offer ─▶ Grant    no answer: leave an intent, fail with code 11
//!  DEL    release                                             daemon away: leave an intent, succeed
//!  CHECK  endpoint                STATUS  readyz
//! ```
//!
//! Both types speak one contract ([`podnet_ipam_api`]): podnet-ipamd over its socket, a CNS over TCP.

mod config;
mod offer;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use podnet_cni::{Args, Route};
use podnet_datapath::Owner;
use podnet_ipam_api::client::{self, Client, ClientError, Server};
use podnet_ipam_api::endpoint::EndpointReply;
use podnet_ipam_api::intent::{Form, Intent, IntentError, Intents};
use podnet_ipam_api::{IpConfigsRequest, PodRef, ReturnCode};
use serde_json::Value;
use tracing::warn;

use super::{Gateways, Grant, GrantError};
use crate::error::{Error, chain};
use crate::netconf::NetConf;
use crate::record::Record;
pub(crate) use config::{DEFAULT_SOCKET, DaemonConfig, Kind};
pub(crate) use offer::{Offer, OfferError, Offered};

/// How long a daemon that does not listen is waited for in ADD: longer than podnet-ipamd needs to start again.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many characters of the container's ID azure-vnet puts into an interface's ID.
const SHORT_ID: usize = 8;

/// The namespace of a container of which the runtime says no pod.
const NO_NAMESPACE: &str = "default";

/// A daemon, and the pod that the call is about.
#[derive(Debug)]
pub(crate) struct Daemon {
    server: Server,
    /// For an answer; of ADD, for all that it asks.
    limit: Duration,
    release_limit: Duration,
    intents: PathBuf,
    form: Form,
    style: Style,
    pod: Option<PodRef>,
    routes: Vec<Route>,
    gateways: Gateways,
}

/// A question for addresses that is on its way.
#[derive(Debug)]
pub(crate) struct Asked {
    begin: Instant,
    /// Whether an intent of an earlier attachment of this name was withdrawn for it.
    waited: bool,
    request: IpConfigsRequest,
    sent: client::Asked,
}

/// How an attachment is named to the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As azure-vnet: the interface by the beginning of the container's ID and its name.
    Interface,
    /// As azure-ipam: the interface by the container's ID alone.
    Container,
}

/// Why a daemon did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    /// The call.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The daemon is away, and no intent could be left or withdrawn.
    #[error(transparent)]
    Intent(#[from] IntentError),
    /// It gave what cannot be read as addresses.
    #[error("the address daemon at {server} gave what is no address for a pod")]
    Offer {
        /// The daemon.
        server: Server,
        /// Why.
        source: OfferError,
    },
    /// It gave addresses that a pod cannot have.
    #[error("the address daemon at {server} gave what a pod cannot have")]
    Unusable {
        /// The daemon.
        server: Server,
        /// Why.
        source: GrantError,
    },
}

impl Daemon {
    /// The daemon that `config` names.
    ///
    /// # Arguments
    /// `args`: CNI_ARGS, which name the pod.
    pub(crate) fn read(
        kind: Kind,
        config: &DaemonConfig,
        conf: &NetConf,
        style: Style,
        args: &Args,
    ) -> Result<Self, Error> {
        let server = config.server(kind, conf)?;
        let intents = config.intents(&server)?;
        let given_limit = conf.ipam_timeout()?;
        let (name, namespace) = (args.pod_name.clone(), args.pod_namespace.clone());
        let pod = name.zip(namespace).map(|(pod_name, pod_namespace)| PodRef { pod_name, pod_namespace });
        let form = if matches!(server, Server::Socket(_)) { Form::Podnet } else { Form::Cns };
        Ok(Self {
            server,
            limit: given_limit.unwrap_or(config::LIMIT),
            release_limit: given_limit.unwrap_or(kind.release_limit()),
            intents,
            form,
            style,
            pod,
            routes: config.routes.clone(),
            gateways: Gateways::Needed,
        })
    }

    /// The daemon of a whole configuration.
    ///
    /// # Arguments
    /// `kind`: by default, a CNS where `ipam` has a URL.
    pub(crate) fn of_config(
        config: &Value,
        kind: Option<Kind>,
        style: Style,
        args: &Args,
    ) -> Result<Self, Error> {
        let conf: NetConf = podnet_cni::json::decode(config)?;
        let given: DaemonConfig = super::read(super::given(config))?;
        Self::read(kind.unwrap_or_else(|| given.kind()), &given, &conf, style, args)
    }

    /// Who is asked.
    pub(crate) fn into_server(self) -> Server {
        self.server
    }

    /// The same daemon, for a datapath that needs other gateways than a bridge that holds them.
    pub(super) fn with_gateways(self, gateways: Gateways) -> Self {
        Self { gateways, ..self }
    }

    /// The same daemon, with what a record says of the pod: DEL need not be told.
    pub(crate) fn for_pod(self, record: Option<&Record>) -> Self {
        let pod = record.and_then(|record| record.pod.as_deref()?.split_once('/'));
        let pod = pod.map(|(namespace, name)| PodRef {
            pod_name: name.to_owned(),
            pod_namespace: namespace.to_owned(),
        });
        Self { pod: pod.or(self.pod), ..self }
    }

    /// Asks for addresses for the owner. While the daemon works, the caller may do something else.
    pub(crate) fn ask(&self, owner: &Owner) -> Result<Asked, DaemonError> {
        let begin = Instant::now();
        let waited = self.withdraw(owner)?;
        let request = self.question(owner);
        match self.client(self.limit, PATIENCE).ask_ips(&request) {
            Ok(sent) => Ok(Asked { begin, waited, request, sent }),
            Err(error) => Err(self.failed(owner, waited, begin, error)),
        }
    }

    /// The addresses that were asked for, as the owner's link needs them; where there are none, nothing is left with the daemon.
    pub(super) fn granted(&self, owner: &Owner, asked: Asked) -> Result<Grant, DaemonError> {
        let offer = self.offered(owner, asked)?;
        let result = offer.result(&self.routes, self.gateways);
        let grant = result.and_then(|result| Grant::new(result, self.gateways));
        let grant = grant.map_err(|source| {
            self.give_up(owner, self.release(owner));
            DaemonError::Unusable { server: self.server.clone(), source }
        })?;
        Ok(Grant { routes_are_all: offer.routes_are_all, ..grant })
    }

    /// The addresses that were asked for, as the daemon gives them.
    pub(crate) fn offered(&self, owner: &Owner, asked: Asked) -> Result<Offer, DaemonError> {
        let Asked { begin, waited, request, sent } = asked;
        let reply = self.client(self.limit, PATIENCE).granted_ips(&request, sent);
        let reply = reply.map_err(|error| self.failed(owner, waited, begin, error))?;
        Offer::read(&reply).map_err(|source| {
            self.give_up(owner, self.release(owner));
            DaemonError::Offer { server: self.server.clone(), source }
        })
    }

    /// Sees to it that nothing stays with a daemon that did not answer as it should.
    fn failed(&self, owner: &Owner, waited: bool, begin: Instant, error: ClientError) -> DaemonError {
        let gone = match self.form {
            // A CNS looks at what waits only when it starts: it is told, in the time that is left.
            Form::Cns if error.may_have_acted() => {
                self.release_within(self.limit.saturating_sub(begin.elapsed()), owner)
            }
            // It has just not answered in time: what waits on disk costs none.
            _ if waited || error.may_have_acted() => self.leave(owner),
            _ => Ok(()),
        };
        self.give_up(owner, gone);
        error.into()
    }

    /// Gives back whatever the owner has; a daemon that is away finds the intent when it is back.
    pub(crate) fn release(&self, owner: &Owner) -> Result<(), DaemonError> {
        self.release_within(self.release_limit, owner)
    }

    fn release_within(&self, limit: Duration, owner: &Owner) -> Result<(), DaemonError> {
        match self.client(limit, Duration::ZERO).release_ips(&self.question(owner)) {
            Ok(()) => Ok(()),
            Err(error) if error.is_unheard() => {
                warn!(error = chain(&error), "leaving a release intent");
                self.leave(owner)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// How the daemon's memory differs from what the attachment was given; nothing where it tells none.
    pub(crate) fn check(&self, owner: &Owner, addresses: &[IpAddr]) -> Result<Vec<String>, DaemonError> {
        let reply = match self.client(self.limit, PATIENCE).endpoint(owner.container()) {
            Ok(reply) => reply,
            Err(ClientError::Status { status: 404, .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let known = match reply.response.return_code {
            ReturnCode::SUCCESS => known_addresses(&reply),
            ReturnCode::NOT_FOUND => Vec::new(),
            // A CNS that keeps no endpoints.
            _ => return Ok(Vec::new()),
        };
        let missing = addresses.iter().map(ToString::to_string).filter(|address| !known.contains(address));
        let server = &self.server;
        Ok(missing
            .map(|address| {
                format!("the address daemon at {server} has not assigned {address} to the container")
            })
            .collect())
    }

    /// Whether another pod could get its addresses.
    pub(crate) fn probe(&self) -> Result<(), DaemonError> {
        Ok(self.client(self.limit, PATIENCE).ready()?)
    }

    fn client(&self, limit: Duration, patience: Duration) -> Client {
        Client { server: self.server.clone(), limit, patience }
    }

    fn question(&self, owner: &Owner) -> IpConfigsRequest {
        let container = owner.container();
        let short = container.get(..SHORT_ID).unwrap_or(container);
        let unnamed = || PodRef { pod_name: container.to_owned(), pod_namespace: NO_NAMESPACE.to_owned() };
        let (pod_interface_id, ifname) = match self.style {
            Style::Interface => (format!("{short}-{}", owner.ifname()), owner.ifname()),
            Style::Container => (container.to_owned(), owner.ifname()),
        };
        IpConfigsRequest {
            pod_interface_id,
            infra_container_id: container.to_owned(),
            orchestrator_context: self.pod.clone().unwrap_or_else(unnamed).to_context(),
            ifname: ifname.to_owned(),
            ..IpConfigsRequest::default()
        }
    }

    /// The name of the owner's intent.
    fn intent_name(&self, owner: &Owner) -> String {
        match self.form {
            Form::Podnet => owner.id().to_string(),
            Form::Cns => owner.container().to_owned(),
        }
    }

    fn leave(&self, owner: &Owner) -> Result<(), DaemonError> {
        let intents = Intents::create(&self.intents, self.form)?;
        Ok(intents.leave(&self.intent_name(owner), &Intent::new(&self.question(owner)))?)
    }

    /// An intent of an earlier DEL must not free what this ADD gets. Says whether there was one.
    fn withdraw(&self, owner: &Owner) -> Result<bool, DaemonError> {
        match Intents::open(&self.intents, self.form)? {
            Some(intents) => Ok(intents.withdraw(&self.intent_name(owner))?),
            None => Ok(false),
        }
    }

    fn give_up(&self, owner: &Owner, result: Result<(), DaemonError>) {
        if let Err(error) = result {
            let (container, server) = (owner.container(), self.server.to_string());
            warn!(error = chain(&error), container, server, "an address may be left with the daemon");
        }
    }
}

fn known_addresses(reply: &EndpointReply) -> Vec<String> {
    let interfaces = reply.endpoint_info.ifname_to_ip_map.iter().flat_map(|map| map.values());
    interfaces
        .flat_map(|interface| interface.ipv4.iter().flatten().chain(&interface.ipv6))
        .map(|address| address.ip.clone())
        .collect()
}

#[cfg(test)]
mod tests;
