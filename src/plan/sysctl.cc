// linux.sysctl -> paths below /proc/sys. Which keys a container may set at all is a rule of
// validate().
#include "builders.h"
#include <corten/spec/validate.h>

namespace corten::plan {

Result<Pairs> build_sysctls(const Pairs& configured) {
  Pairs sysctls;
  for (const auto& [key, value] : configured) {
    auto path = spec::sysctl_path(key);
    if (!path) {
      return Error::spec("/linux/sysctl/" + pointer_token(key), path.error().message());
    }
    sysctls.emplace_back(std::move(*path), value);
  }
  return sysctls;
}

}  // namespace corten::plan
