//! The command `aksgate`.

fn main() {}
