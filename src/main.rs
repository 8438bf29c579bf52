//! The program. Everything it does is in the library, from [`rbootstrap::main`] on.

fn main() -> std::process::ExitCode {
    rbootstrap::main()
}
