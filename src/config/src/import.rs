//! Policy files made from the configurations of other gateways.

pub mod litellm;
