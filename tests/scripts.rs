//! The table of hostile maintainer scripts: what the kernel answers them, and what the program does
//! with the trees that they leave.
//!
//! `kernel` and `files` are probes: one script tries each and writes down the answer. `links`,
//! `loads` and `endings` are scripts of a package each, with the exit code and the message that
//! follow. Around every run stands a [`canary`]; nothing may reach it. Each test prints how many
//! cases ran.

mod canary;
mod cgroups;
mod devices;
mod docker;
mod endings;
mod files;
mod kernel;
mod links;
mod loads;
mod probes;
mod table;
