// What the steps of init share. One object, on init's stack.
#pragma once

#include <sched.h>

#include <optional>
#include <string>
#include <vector>

#include "steps/program.h"
#include <corten/stage/stage.h>

namespace corten::stage {

// Borrowed descriptors of /proc/self/attr files; -1 = no label of that kind.
struct LabelFiles {
  int apparmor_exec = -1;
  int selinux_exec = -1;
  int selinux_keycreate = -1;
};

struct LabelSet {
  sys::UniqueFd apparmor_exec;
  sys::UniqueFd selinux_exec;
  sys::UniqueFd selinux_keycreate;

  LabelFiles borrow() const {
    return {apparmor_exec.get(), selinux_exec.get(), selinux_keycreate.get()};
  }
};

// The mount of a procfs or sysfs, and where it was put.
struct PseudoMount {
  std::string destination;
  sys::UniqueFd fd;
};

struct InitContext {
  CreateInput& input;
  const plan::Plan& plan;
  sys::UniqueFd root;        // the container's root mount (O_PATH)
  sys::UniqueFd null_cover;  // detached clone of the host's /dev/null, for masked files
  std::vector<sys::UniqueFd> readonly_at_last;  // tmpfs mounts that have to be written to first
  LabelSet labels;                              // opened before the host's /proc is gone
  std::vector<PseudoMount> pseudo_mounts;       // what masks below them are looked up in
  std::optional<Program> program;               // found before the container is "created"

  bool new_user_namespace() const { return plan.namespaces.own(CLONE_NEWUSER); }
};

}  // namespace corten::stage
