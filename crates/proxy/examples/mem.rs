#![allow(warnings)]
use std::io::Write;
fn rss() -> u64 {
    let s = std::fs::read_to_string("/proc/self/status").unwrap();
    s.lines()
        .find(|l| l.starts_with("VmRSS"))
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}
fn main() {
    let which = std::env::args().nth(1).unwrap();
    let mut data = Vec::new();
    let mut x: u64 = 88172645463325252;
    while data.len() < 2_000_000 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        write!(data, "{{\"id\":{},\"name\":\"user{}\"}},", x % 100000, x % 977).unwrap();
    }
    let n = 20;
    let before = rss();
    let mut keep: Vec<Box<dyn Write>> = vec![];
    for _ in 0..n {
        match &*which {
            "gzip" => {
                let mut e = flate2::write::GzEncoder::new(std::io::sink(), flate2::Compression::new(5));
                e.write_all(&data).unwrap();
                e.flush().unwrap();
                keep.push(Box::new(e));
            }
            "br" => {
                let mut e = brotli::CompressorWriter::new(std::io::sink(), 4096, 4, 18);
                e.write_all(&data).unwrap();
                e.flush().unwrap();
                keep.push(Box::new(e));
            }
            _ => {
                let mut e = zstd::Encoder::new(std::io::sink(), 3).unwrap();
                e.window_log(18).unwrap();
                e.write_all(&data).unwrap();
                e.flush().unwrap();
                keep.push(Box::new(e));
            }
        }
    }
    println!("{which}: {} KiB each", (rss() - before) / n);
    let mut out = Vec::new();
    match &*which {
        "gzip" => {
            let mut e = flate2::write::GzEncoder::new(&mut out, flate2::Compression::new(5));
            e.write_all(&data).unwrap();
            e.finish().unwrap();
        }
        "br" => {
            let mut e = brotli::CompressorWriter::new(&mut out, 4096, 4, 18);
            e.write_all(&data).unwrap();
            e.into_inner();
        }
        _ => {
            let mut e = zstd::Encoder::new(&mut out, 3).unwrap();
            e.window_log(18).unwrap();
            e.write_all(&data).unwrap();
            e.finish().unwrap();
        }
    }
    println!("{which} {} of {}", out.len(), data.len());
}
