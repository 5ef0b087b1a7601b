mod assigning;
mod churn;
mod model;
mod resizing;
mod supply;
