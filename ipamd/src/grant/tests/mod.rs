mod decisions;
mod interleavings;
mod model;
mod scale;
mod world;
