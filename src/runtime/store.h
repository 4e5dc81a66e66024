// The state root: one directory a container, 0700, held by descriptor; one lock a container.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "record.h"
#include <corten/base/result.h>
#include <corten/runtime/operations.h>
#include <corten/sys/fd.h>

namespace corten::runtime {

// Names inside a container's directory.
inline constexpr const char* kStateFile = "state.json";        // the container is there
inline constexpr const char* kCreatingFile = "creating.json";  // what creation set out to make
inline constexpr const char* kConfigFile = "config.json";
inline constexpr const char* kStartSocket = "start.sock";
inline constexpr const char* kSeccompFile = "seccomp.bpf";

// One container's directory.
class Entry {
 public:
  Entry(std::string id, sys::UniqueFd root, sys::UniqueFd dir)
      : id_(std::move(id)), root_(std::move(root)), dir_(std::move(dir)) {}

  const std::string& id() const { return id_; }
  int fd() const { return dir_.get(); }

  // Waits for the lock of operations that change the container; held until the Entry ends.
  Result<> lock();
  Result<> unlock();
  // The record of the container, or of its creation when that has not come to its end.
  Result<Record> load() const;
  // The record that was written before anything was made. It is kept: when the other one is
  // damaged, it still names the cgroups.
  Result<Record> load_creating() const;
  Result<> save(const Record& record) const;
  // save() in two steps: what takes time, and what makes it count. The first returns the name of a
  // file that the second takes; destroy() removes it as well.
  Result<std::string> prepare(const Record& record) const;
  Result<> commit(const Record& record, const std::string& prepared) const;
  // Removes the directory with everything in it; the record goes last, so that a crash can be
  // repeated.
  Result<> destroy();

 private:
  Result<Record> load_file(const char* name) const;

  std::string id_;
  sys::UniqueFd root_;
  sys::UniqueFd dir_;
};

// Makes the root when it is missing. Errors: InvalidArgument when others could write to it.
Result<Entry> make_entry(const Context& context, const std::string& id);
// Errors: NotFound "container does not exist".
Result<Entry> open_entry(const Context& context, const std::string& id);
// Sorted; a missing root is an empty list.
Result<std::vector<std::string>> list_ids(const Context& context);

// The container's status as the kernel and the record say together.
spec::Status status_of(const Entry& entry, const Record& record);

// Text for people and engines: one place, because engines match on these.
Error not_found(const std::string& id);

}  // namespace corten::runtime
