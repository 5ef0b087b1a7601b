//! Where the server answers. CNS serves every path a second time under [`VERSION_PREFIX`].

/// Addresses for a pod, one of each family: `POST` an [`crate::IpConfigsRequest`].
pub const REQUEST_IP_CONFIGS: &str = "/network/requestipconfigs";
/// All addresses of a pod back: `POST` an [`crate::IpConfigsRequest`].
pub const RELEASE_IP_CONFIGS: &str = "/network/releaseipconfigs";
/// One address for a pod: `POST` an [`crate::IpConfigRequest`].
pub const REQUEST_IP_CONFIG: &str = "/network/requestipconfig";
/// A pod's address back: `POST` an [`crate::IpConfigRequest`].
pub const RELEASE_IP_CONFIG: &str = "/network/releaseipconfig";
/// What is known of one container's interfaces, with the container ID behind it: `GET`, `PATCH`, `DELETE`.
pub const ENDPOINTS: &str = "/network/endpoints/";
/// The pool, by state: `POST` a [`crate::debug::AddressesRequest`].
pub const DEBUG_ADDRESSES: &str = "/debug/ipaddresses";
/// Which pod has which addresses: `GET`.
pub const DEBUG_POD_CONTEXT: &str = "/debug/podcontext";
/// Everything in memory: `GET`.
pub const DEBUG_REST_DATA: &str = "/debug/restdata";
/// How the server is, as JSON: `GET`; of it [`crate::debug::Health`]. podnet-ipamd's own: a CNS has no such page.
pub const DEBUG_STATUS: &str = "/debug/status";
/// Whether the process lives: `GET`, status 200.
pub const HEALTHZ: &str = "/healthz";
/// Whether an ADD can be served now: `GET`, status 200, or 503 with the reason as text.
pub const READYZ: &str = "/readyz";
/// The prefix under which every path of the contract is served again.
pub const VERSION_PREFIX: &str = "/v0.2";
