// The resctrl filesystem: classes of service, the directories below its root, and monitoring
// groups. Everything is reached below the descriptor of the root, through no symbolic link and over
// no mount. What changes more than one file holds the lock that the kernel's documentation asks
// for, flock(2) on the root, so that containers that share a class can be created at the same time.
// Format: the kernel's Documentation/filesystems/resctrl.rst.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "record.h"
#include <corten/base/result.h>
#include <corten/plan/plan.h>
#include <corten/sys/fd.h>

namespace corten::runtime {

class Resctrl {
 public:
  // How a group is made and removed, and a file written. The kernel fills a directory that is made,
  // empties one that is removed and understands what is written; a directory tree of a test has to
  // do that itself.
  struct Calls {
    std::function<Result<>(int parent_fd, const std::string& name)> make;
    std::function<Result<>(int parent_fd, const std::string& name)> remove;
    std::function<Result<>(int fd, std::string_view text)> write;
  };
  // Stores the groups before anything is made, and whenever they change.
  using Save = std::function<Result<>(const RdtGroups& groups)>;

  // The one that is mounted in this mount namespace; nullopt when there is none.
  static Result<std::optional<Resctrl>> find();
  // root: a directory, O_PATH is enough.
  explicit Resctrl(sys::UniqueFd root) : Resctrl(std::move(root), kernel_calls()) {}
  Resctrl(sys::UniqueFd root, Calls calls) : root_(std::move(root)), calls_(std::move(calls)) {}

  // Finds or makes the class and the monitoring group of container `id`, and writes the schemata.
  // On failure everything is as it was before.
  // Errors: InvalidSpec with the pointer of what this filesystem does not have or not allow.
  Result<> make_groups(const plan::IntelRdt& plan, const std::string& id, const Save& save) const;
  // Puts a thread into the groups: what it forks from then on is born there.
  Result<> enter(const RdtGroups& groups, const std::string& id, pid_t tid) const;
  // Writes the lines into the class; returns what they have replaced. On failure the class is as it
  // was before. Errors: InvalidSpec with the pointer of the line and the kernel's reason.
  Result<std::vector<plan::RdtSchema>> write_schemata(
      const RdtGroups& groups, const std::vector<plan::RdtSchema>& schemata) const;
  // Removes what the record says is the container's. Idempotent.
  Result<> remove_groups(const RdtGroups& groups, const std::string& id) const;

  // Paths below the root, for the two that follow. The group that counts the container: its own
  // monitoring group, or else the class.
  static std::string class_path(const RdtGroups& groups);
  static std::string counting_path(const RdtGroups& groups, const std::string& id);
  // path: relative to the root.
  Result<std::string> read(const std::string& path) const;
  Result<std::vector<std::string>> list(const std::string& path) const;  // sorted

 private:
  static Calls kernel_calls();
  Result<sys::UniqueFd> open(const std::string& path, int flags) const;
  Result<bool> exists(const std::string& path) const;
  // Held until the descriptor is closed.
  Result<sys::UniqueFd> lock() const;
  // With the words of info/last_cmd_status.
  Error explain(Error error) const;
  Result<> write(const std::string& path, const std::string& text) const;
  Result<std::vector<plan::RdtSchema>> replace_lines(
      const std::string& directory, const std::vector<plan::RdtSchema>& schemata) const;
  Result<> make(const std::string& parent, const std::string& name, const char* pointer) const;
  Result<> remove(const std::string& parent, const std::string& name) const;
  // False: the class is to be made.
  Result<bool> check_class(const plan::IntelRdt& plan) const;
  Result<> check_monitoring_group(const RdtGroups& groups, const std::string& id) const;
  Result<> fill(const plan::IntelRdt& plan,
                const RdtGroups& wanted,
                const std::string& id,
                RdtGroups& made) const;
  Result<> remove_locked(const RdtGroups& groups, const std::string& id) const;

  sys::UniqueFd root_;
  Calls calls_;
};

// The mount points of whole resctrl filesystems in the text of /proc/self/mountinfo.
std::vector<std::string> resctrl_mount_points(std::string_view mountinfo);

}  // namespace corten::runtime
