// maskedPaths and readonlyPaths, inside the container's root.
// Spec: config-linux.md "Masked Paths", "Readonly Paths".
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>

#include <optional>
#include <utility>

#include "../rootpath.h"
#include "steps.h"
#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/mount.h>

namespace corten::stage {

namespace {

// What is below /proc and /sys is looked up in the mounts that were put there. A name in the rootfs
// may lead elsewhere by now, for whoever shares it, and a mask that is "missing" would be skipped.
//
// Missing paths are skipped (ENOENT, and ENOTDIR for a path below a file): no descriptor. This open
// is the only place where that is forgiven: a mask that fails later is an error (CVE-2025-31133).
Result<sys::UniqueFd> open_existing(const InitContext& init, const std::string& path) {
  const std::string clean = clean_path(path);
  // The last one that was mounted is the one that is seen.
  for (auto mount = init.pseudo_mounts.rbegin(); mount != init.pseudo_mounts.rend(); ++mount) {
    const std::string& top = mount->destination;
    if (clean.size() > top.size() && clean.starts_with(top) && clean[top.size()] == '/')
      return rootpath::open_existing(mount->fd.get(), clean.substr(top.size()), O_PATH);
  }
  return rootpath::open_existing(init.root.get(), path, O_PATH);
}

// A mount that covers any number of paths: the first use attaches it, each further one a clone of
// it. (A detached mount can be cloned from Linux 6.15 on only, an attached one everywhere.)
class Cover {
 public:
  explicit Cover(sys::UniqueFd mount) : mount_(std::move(mount)) {}

  Result<> put_on(int target_fd) {
    if (!attached_) {
      TRY(sys::move_mount(mount_.get(), target_fd));
      attached_ = true;
      return {};
    }
    const sys::UniqueFd clone =
        TRY(sys::open_tree(mount_.get(), "", OPEN_TREE_CLONE | AT_EMPTY_PATH));
    return sys::move_mount(clone.get(), target_fd);
  }

 private:
  sys::UniqueFd mount_;
  bool attached_ = false;
};

// One empty, read-only tmpfs serves all directories: a filesystem of its own for each would cost a
// superblock and its shrinker per mask.
Result<sys::UniqueFd> make_empty_directory() {
  const sys::UniqueFd fs = TRY(sys::fsopen("tmpfs"));
  TRY(sys::fsconfig_string(fs.get(), "source", "tmpfs"));
  TRY(sys::fsconfig_string(fs.get(), "nr_inodes", "2"));
  TRY(sys::fsconfig_string(fs.get(), "size", "4k"));
  TRY(sys::fsconfig_flag(fs.get(), "ro"));
  TRY(sys::fsconfig_create(fs.get()));
  return sys::fsmount(fs.get(),
                      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

struct Covers {
  Cover file;
  std::optional<Cover> directory;
};

Result<> mask(const InitContext& init, Covers& covers, const std::string& path) {
  const sys::UniqueFd target = TRY(open_existing(init, path));
  if (!target.valid()) return {};
  const struct stat status = TRY(sys::fstat(target.get()));
  if (!S_ISDIR(status.st_mode)) return covers.file.put_on(target.get());
  if (!covers.directory) covers.directory.emplace(TRY(make_empty_directory()));
  return covers.directory->put_on(target.get());
}

Result<> protect(const InitContext& init, const std::string& path) {
  const sys::UniqueFd target = TRY(open_existing(init, path));
  if (!target.valid()) return {};
  // With everything below: a submount must not stay writable. The other attributes stay as they
  // are.
  const sys::UniqueFd tree =
      TRY(sys::open_tree(target.get(), "", OPEN_TREE_CLONE | AT_EMPTY_PATH | AT_RECURSIVE));
  TRY(sys::mount_setattr(tree.get(), sys::Recursive::Yes, {.set = MOUNT_ATTR_RDONLY}));
  return sys::move_mount(tree.get(), target.get());
}

}  // namespace

Result<> mask_paths(InitContext& init) {
  Covers covers{Cover(std::move(init.null_cover)), std::nullopt};
  for (std::size_t i = 0; i < init.plan.masked_paths.size(); ++i) {
    const auto& path = init.plan.masked_paths[i];
    TRY(mask(init, covers, path).context([&] {
      return "/linux/maskedPaths/" + std::to_string(i) + ": masking " + quote(path);
    }));
  }
  return {};
}

Result<> protect_paths(InitContext& init) {
  for (std::size_t i = 0; i < init.plan.readonly_paths.size(); ++i) {
    const auto& path = init.plan.readonly_paths[i];
    TRY(protect(init, path).context([&] {
      return "/linux/readonlyPaths/" + std::to_string(i) + ": making " + quote(path) + " read-only";
    }));
  }
  return {};
}

}  // namespace corten::stage
