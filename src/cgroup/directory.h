// One directory of a cgroup hierarchy, reached from the hierarchy's mount point by descriptor:
// symlinks, mounts and ".." in a cgroup's name lead nowhere.
#pragma once

#include <linux/openat2.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <corten/base/result.h>
#include <corten/cgroup/manager.h>
#include <corten/sys/fd.h>

namespace corten::cgroup {

// How every path below a hierarchy's mount point is resolved.
inline constexpr uint64_t kInsideHierarchy =
    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;

// The value behind "key " in the text of a flat-keyed file such as memory.events.
std::optional<uint64_t> find_flat_key(std::string_view text, std::string_view key);

class Directory {
 public:
  explicit Directory(Location location) : location_(std::move(location)) {}

  const Location& location() const { return location_; }
  bool has(std::string_view controller) const;

  // What a directory that is there already means: somebody else's cgroup, which has to be unused,
  // or the one that systemd has made for this container.
  enum class Existing : uint8_t { MustBeUnused, Adopt };
  // Makes the directory and its parents; counts what was there before, which an adopted one was
  // not. Errors: WrongState when it exists and holds processes, here or below, or is frozen.
  Result<> create(Existing existing = Existing::MustBeUnused);
  // Removes it with everything below it, then the parents that create() made and nobody else uses.
  // False: something in it still lives.
  Result<bool> try_remove() const;

  // Of a v1 directory that is not there yet.
  Result<Entrance::Later> entrance_to_be() const;

  // The directory's descriptor, opened once. ENOENT when it is gone.
  Result<int> fd() const;
  // A directory inside it.
  Result<sys::UniqueFd> open_below(const std::string& path) const;
  // A control file in it, for several writes or another process.
  Result<sys::UniqueFd> open_for_writing(const std::string& file) const;

  Result<std::string> read(const std::string& file) const;
  Result<> write(const std::string& file, std::string_view value) const;
  // As find_flat_key(), of one file.
  Result<std::optional<uint64_t>> read_key(const std::string& file, std::string_view key) const;

  // Processes here and in every directory below.
  Result<> collect_pids(std::vector<pid_t>& pids) const;

 private:
  // The hierarchy's mount point, opened once.
  Result<int> mount_point_fd() const;
  Result<> make_parents(int mount_fd);
  Result<> check_unused() const;
  Result<> inherit_cpuset() const;
  Result<> enable_controllers(int mount_fd) const;

  Location location_;
  mutable sys::UniqueFd mount_;
  mutable sys::UniqueFd fd_;
};

}  // namespace corten::cgroup
