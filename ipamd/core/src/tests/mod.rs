mod assigning;
mod model;
mod supply;
