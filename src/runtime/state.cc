// state and list: read-only and without a lock.
#include <cerrno>

#include "documents.h"
#include "store.h"
#include <corten/cgroup/manager.h>
#include <corten/runtime/operations.h>

namespace corten::runtime {

Result<spec::State> state(const Context& context, const std::string& id) {
  const Entry entry = TRY(open_entry(context, id));
  const Record record = TRY(entry.load());
  spec::State document = state_document(record, status_of(entry, record));
  if (document.status != spec::Status::Stopped) return document;
  const auto events = cgroup::open_manager(record.cgroup)->oom_events();
  document.oom_killed = events && events->oom_kill > 0;
  document.oom_own_limit = events && events->own_limit;
  return document;
}

Result<std::vector<ListEntry>> list(const Context& context) {
  const std::vector<std::string> ids = TRY(list_ids(context));
  std::vector<ListEntry> entries;
  for (const auto& id : ids) {
    Result<spec::State> one = state(context, id);
    if (!one && one.error().errno_value() == ENOTDIR) continue;  // a file of somebody else
    entries.push_back({id, std::move(one)});
  }
  return entries;
}

}  // namespace corten::runtime
