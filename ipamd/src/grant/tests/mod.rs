mod decisions;
mod model;
mod scale;
mod world;
