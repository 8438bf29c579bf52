//! The ids of a user namespace, as `/proc/PID/uid_map` has them (user_namespaces(7)).

use std::fmt;

/// The highest id that a tree has: nobody and nogroup (Debian Policy, section 9.2).
pub(crate) const NOBODY: u32 = 65534;

/// A map of ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IdMap(Vec<IdExtent>);

/// A range of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdExtent {
    /// The first id inside the namespace.
    pub(super) inside: u32,
    /// The same id in the namespace around it.
    pub(super) outside: u32,
    pub(super) count: u32,
}

impl IdMap {
    /// Maps this id to root.
    pub(super) fn of_root(id: u32) -> IdMap {
        let count = 1;
        IdMap(vec![IdExtent {
            inside: 0,
            outside: id,
            count,
        }])
    }

    /// Reads the map of a process. `None` if the text is not a map, or maps no ids.
    pub(crate) fn parse(text: &str) -> Option<IdMap> {
        let mut extents = Vec::new();
        for line in text.lines() {
            let mut numbers = line.split_ascii_whitespace();
            extents.push(IdExtent {
                inside: numbers.next()?.parse().ok()?,
                outside: numbers.next()?.parse().ok()?,
                count: numbers.next()?.parse().ok()?,
            });
        }
        (!extents.is_empty()).then_some(IdMap(extents))
    }

    /// Maps each id that exists inside to itself.
    pub(crate) fn identity(mut self) -> IdMap {
        for extent in &mut self.0 {
            extent.outside = extent.inside;
        }
        self
    }

    /// Maps these ids of the namespace outside, after the last id inside. Skips those that are
    /// mapped already.
    pub(super) fn append(&mut self, first: u32, count: u32) {
        let mut pieces = vec![(u64::from(first), u64::from(first) + u64::from(count))];
        for extent in &self.0 {
            let from = u64::from(extent.outside);
            let to = from + u64::from(extent.count);
            let mut left = Vec::new();
            for (begin, end) in pieces {
                left.push((begin, end.min(from)));
                left.push((begin.max(to), end));
            }
            left.retain(|(begin, end)| begin < end);
            pieces = left;
        }
        for (begin, end) in pieces {
            let inside = self.end();
            let count = (end - begin).min(u64::from(u32::MAX) - inside);
            let (Ok(inside), Ok(outside)) = (u32::try_from(inside), u32::try_from(begin)) else {
                return;
            };
            if count > 0 && self.0.len() < EXTENT_LIMIT {
                let count = count as u32;
                self.0.push(IdExtent {
                    inside,
                    outside,
                    count,
                });
            }
        }
    }

    /// How many ids there are.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|extent| u64::from(extent.count)).sum()
    }

    /// The first id inside that is not mapped, counted from 0.
    pub(super) fn end(&self) -> u64 {
        let mut end = 0;
        let mut extents = self.0.clone();
        extents.sort_unstable_by_key(|extent| extent.inside);
        for extent in extents {
            let inside = u64::from(extent.inside);
            if inside <= end {
                end = end.max(inside + u64::from(extent.count));
            }
        }
        end
    }

    /// The arguments of newuidmap and newgidmap.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        for extent in &self.0 {
            arguments.extend([extent.inside, extent.outside, extent.count].map(|n| n.to_string()));
        }
        arguments
    }
}

/// How many lines the kernel takes (user_namespaces(7)).
const EXTENT_LIMIT: usize = 340;

/// The text that the kernel reads.
impl fmt::Display for IdMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for extent in &self.0 {
            writeln!(f, "{} {} {}", extent.inside, extent.outside, extent.count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_mapped_to_itself() {
        let table = [
            ("         0          0 4294967295\n", "0 0 4294967295\n"),
            (
                "0 1000 1\n         1     100000      65536\n",
                "0 0 1\n1 1 65536\n",
            ),
        ];
        for (own, expected) in table {
            let map = IdMap::parse(own).unwrap().identity();
            assert_eq!(map.to_string(), expected);
        }
        for own in ["", "0 0", "0 0 x"] {
            assert_eq!(IdMap::parse(own), None, "{own}");
        }
    }

    #[test]
    fn subordinate_ids_follow_root_and_none_is_mapped_twice() {
        // The first ids and the counts of the ranges.
        type Ranges = &'static [(u32, u32)];
        let table: [(Ranges, &str, u64); 6] = [
            (&[], "0 1000 1\n", 1),
            (&[(100_000, 65_536)], "0 1000 1\n1 100000 65536\n", 65_537),
            (
                &[(100_000, 5), (300_000, 7)],
                "0 1000 1\n1 100000 5\n6 300000 7\n",
                13,
            ),
            // The user's own id within the range, and a range within another.
            (&[(990, 20)], "0 1000 1\n1 990 10\n11 1001 9\n", 20),
            (
                &[(5000, 10), (5002, 4), (4998, 4)],
                "0 1000 1\n1 5000 10\n11 4998 2\n",
                13,
            ),
            (
                &[(u32::MAX, 1), (2000, u32::MAX)],
                "0 1000 1\n1 4294967295 1\n2 2000 4294965295\n",
                4_294_965_297,
            ),
        ];
        for (ranges, expected, end) in table {
            let mut map = IdMap::of_root(1000);
            for (first, count) in ranges {
                map.append(*first, *count);
            }
            assert_eq!(map.to_string(), expected);
            assert_eq!(map.end(), end, "{expected}");
        }
    }

    #[test]
    fn a_gap_ends_what_is_mapped() {
        let map = |text| IdMap::parse(text).unwrap();
        assert_eq!(map("0 0 40000\n40000 50000 25536\n").end(), 65_536);
        assert_eq!(map("40000 50000 25536\n0 0 40000\n").end(), 65_536);
        assert_eq!(map("0 0 1000\n65534 65534 1\n").end(), 1000);
        assert_eq!(map("1 0 1000\n").end(), 0);
    }
}
