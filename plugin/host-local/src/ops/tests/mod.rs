mod allocating;
mod concurrent;
mod model;
mod releasing;
mod stale;
