//! The modes: each a pure function from configuration and addresses to a [`podnet_datapath::PodNetwork`], and one from
//! what came of it to a result. A mode knows no kernel and no file, so that it is tested as data.

pub(crate) mod kubenet;
