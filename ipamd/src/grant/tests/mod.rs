mod decisions;
mod model;
mod world;
