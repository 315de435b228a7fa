//! Ids of The Things Stack.

/// Whether `id` is a device, application or gateway id of The Things Stack.
#[must_use]
pub fn is_id(id: &str) -> bool {
    let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (3..=36).contains(&id.len())
        && id.chars().all(is_legal)
        && !id.starts_with('-')
        && !id.ends_with('-')
        && !id.contains("--")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_things_stacks_rule() {
        let longest = "a".repeat(36);
        for id in ["abc", "eui-70b3d57ed0000001", "a-1", "0-0-0", &longest] {
            assert!(is_id(id), "{id}");
        }
        let too_long = "a".repeat(37);
        for id in ["", "ab", "Sensor-1", "a_b", "-ab", "ab-", "a--b", "a.b", "größe", &too_long] {
            assert!(!is_id(id), "{id}");
        }
    }
}
