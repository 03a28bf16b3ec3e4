//! Headers that Mesh owns: what they say to a server is Mesh's word.

/// True for headers about the client and its way here. From peers that are not trusted they are dropped.
pub(crate) fn is_managed(name: &str) -> bool {
    name.starts_with("x-forwarded-")
        || matches!(name, "x-real-ip" | "x-scheme" | "x-replaced-path" | "forwarded")
}

/// True for headers that a client may not have removed by naming them in `Connection`.
pub(super) fn is_protected(name: &str) -> bool {
    is_managed(name)
        || matches!(
            name,
            "x-mesh-reason"
                | "host"
                | "content-length"
                | "transfer-encoding"
                | "via"
                | "connection"
                | "upgrade"
                | "te"
        )
}

/// True for a name that some servers fold to that of an owned header: `X_Forwarded_For`, `X.Real.Ip`.
pub(super) fn is_alias(name: &str) -> bool {
    if !name.contains(['_', '.']) {
        return false;
    }
    let folded = name.replace(['_', '.'], "-");
    is_protected(&folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_of_owned_names_are_seen() {
        for name in [
            "x_forwarded_for",
            "x-forwarded_host",
            "x.real.ip",
            "content_length",
            "transfer_encoding",
        ] {
            assert!(is_alias(name), "{name} passed");
        }
        for name in ["x-forwarded-for", "my_header", "x_request_id", "host"] {
            assert!(!is_alias(name), "{name} was taken for an alias");
        }
    }
}
