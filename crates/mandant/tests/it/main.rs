//! Black-box tests of the binary: what operators see on the command line, with and without a serving process.

mod commands;
mod demo;
mod doctor;
mod files;
mod house;
mod ledger;
mod pages;
mod proof;
mod running;
mod sandbox;
mod verify;
