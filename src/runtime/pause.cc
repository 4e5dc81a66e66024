// pause, resume and ps: what the container's cgroups do.
#include "processes.h"
#include "store.h"
#include <corten/cgroup/manager.h>
#include <corten/runtime/operations.h>

namespace corten::runtime {

Result<> pause(const Context& context, const std::string& id) {
  Entry entry = TRY(open_entry(context, id));
  TRY(entry.lock());
  const Record record = TRY(entry.load());
  const spec::Status status = status_of(entry, record);
  if (status != spec::Status::Running && status != spec::Status::Created) {
    return Error(
        ErrorKind::WrongState,
        status == spec::Status::Paused ? "container is paused already" : "container not running");
  }
  return cgroup::open_manager(record.cgroup)->freeze();
}

Result<> resume(const Context& context, const std::string& id) {
  Entry entry = TRY(open_entry(context, id));
  TRY(entry.lock());
  const Record record = TRY(entry.load());
  if (status_of(entry, record) != spec::Status::Paused)
    return Error(ErrorKind::WrongState, "container not paused");
  return cgroup::open_manager(record.cgroup)->thaw();
}

Result<std::vector<pid_t>> ps(const Context& context, const std::string& id) {
  const Entry entry = TRY(open_entry(context, id));
  const Record record = TRY(entry.load());
  const auto manager = cgroup::open_manager(record.cgroup);
  return processes_of(record, *manager);
}

}  // namespace corten::runtime
