//! Who was started by whom.

use std::fs;

/// A process and all that descend from it, as far as they live.
pub fn family(first: u32) -> Vec<u32> {
    let mut members = vec![first];
    let mut next = 0;
    while let Some(&member) = members.get(next) {
        members.extend(children(member));
        next += 1;
    }
    members
}

/// Those that any thread of the process has started (proc(5), `/proc/PID/task/TID/children`).
fn children(process: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio, id};

    #[test]
    fn a_child_is_of_the_family_while_it_lives() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        assert!(family(id()).contains(&child.id()));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!family(id()).contains(&child.id()));
    }
}
