// linux.sysctl -> paths below /proc/sys. Which keys a container may set at all is a rule of
// validate().
#include "builders.h"
#include <corten/spec/validate.h>

namespace corten::plan {

Result<std::vector<Sysctl>> build_sysctls(const Pairs& configured) {
  std::vector<Sysctl> sysctls;
  for (const auto& [key, value] : configured) {
    std::string pointer = "/linux/sysctl/" + pointer_token(key);
    auto path = spec::sysctl_path(key);
    if (!path) return Error::spec(std::move(pointer), path.error().message());
    sysctls.push_back({.path = *std::move(path), .value = value, .pointer = std::move(pointer)});
  }
  return sysctls;
}

}  // namespace corten::plan
