#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rbootstrap::testing::fuzz::check("images", data));
