// delete.
#include <cerrno>

#include <fmt/format.h>

#include "container.h"
#include "store.h"
#include <corten/base/strings.h>
#include <corten/runtime/operations.h>

namespace corten::runtime {

namespace {

// A record is written before anything else is made, and replaced as a whole: without one there is
// nothing but the directory. A damaged one leaves the record of the creation, whose cgroups hold
// all processes. Without that, processes and cgroups may be there that nothing names any more.
Result<> remove_without_record(Entry& entry, Error why) {
  if (why.errno_value() == ENOENT) return entry.destroy();
  const Result<Record> creating = entry.load_creating();
  if (creating && !creating->cgroup.locations.empty()) return destroy_container(entry, *creating);
  return std::move(why).with_context(
      fmt::format("cannot delete container {}: only its record names its processes and cgroups: "
                  "end them and remove its directory in the state root by hand",
                  entry.id()));
}

Result<> remove_entry(Entry& entry, Force force) {
  TRY(entry.lock());
  Result<Record> record = entry.load();
  if (!record) {
    if (force == Force::No) return std::move(record).error();
    return remove_without_record(entry, std::move(record).error());
  }
  const spec::Status status = status_of(entry, *record);
  if (status != spec::Status::Stopped && force == Force::No) {
    return Error(ErrorKind::WrongState,
                 fmt::format("cannot delete container {} that is not stopped: {}",
                             entry.id(),
                             spec::status_name(status)));
  }
  return destroy_container(entry, *record);
}

}  // namespace

Result<> remove(const Context& context, const std::string& id, Force force) {
  Result<Entry> entry = open_entry(context, id);
  if (!entry) {
    if (force == Force::Yes && entry.error().kind() == ErrorKind::NotFound) return {};
    return std::move(entry).error();
  }
  const Result<> removed = remove_entry(*entry, force);
  // Somebody else was faster: with --force that is what was asked for.
  if (!removed && force == Force::Yes && removed.error().kind() == ErrorKind::NotFound) return {};
  return removed;
}

}  // namespace corten::runtime
