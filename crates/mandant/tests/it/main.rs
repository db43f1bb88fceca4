//! Black-box tests of the binary: what operators see on the command line, with and without a serving process.

mod commands;
mod demo;
mod doctor;
mod files;
mod proof;
mod running;
mod sandbox;
