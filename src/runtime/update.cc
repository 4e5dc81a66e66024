// update: new limits for a container that exists. What is not named keeps its value, because only
// the named control files are written.
#include "store.h"
#include <corten/cgroup/manager.h>
#include <corten/host/probe.h>
#include <corten/plan/build.h>
#include <corten/runtime/operations.h>
#include <corten/spec/validate.h>

namespace corten::runtime {

Result<> update(const Context& context, const std::string& id, const spec::Resources& resources) {
  Entry entry = TRY(open_entry(context, id));
  TRY(entry.lock());
  const Record record = TRY(entry.load());
  if (status_of(entry, record) == spec::Status::Stopped)
    return Error(ErrorKind::WrongState, "container not running");
  TRY(spec::validate_resources(resources));
  const plan::HostFacts facts = TRY(host::probe());
  const auto writes = TRY(plan::build_cgroup_writes(resources, facts.cgroup));
  const auto manager = cgroup::open_manager(record.cgroup);
  return manager->update(writes);
}

}  // namespace corten::runtime
