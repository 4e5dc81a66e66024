// Mount options -> attributes, superblock options and propagation.
#include "mount_options.h"

#include <string_view>

namespace corten::plan {
namespace {

// Splits at commas outside of double quotes; a backslash keeps the next character (overlayfs
// escapes commas in paths that way) and stays, since the filesystem removes it.
std::vector<std::string> split_element(std::string_view text) {
  std::vector<std::string> parts(1);
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      quoted = !quoted;
    } else if (c == '\\' && i + 1 < text.size()) {
      parts.back() += c;
      parts.back() += text[++i];
    } else if (c == ',' && !quoted) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

FsOption split_key(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) return {.key = std::string(text), .value = std::nullopt};
  return {.key = std::string(text.substr(0, equals)),
          .value = std::string(text.substr(equals + 1))};
}

bool for_user_space(std::string_view option) {
  for (const std::string_view prefix : {"x-", "X-", "comment=", "uhelper=", "helper="}) {
    if (option.starts_with(prefix)) return true;
  }
  return option == "comment";
}

void set_bits(MountAttributes& attributes, uint64_t bits) {
  attributes.set |= bits;
  attributes.clear &= ~bits;
}

void clear_bits(MountAttributes& attributes, uint64_t bits) {
  attributes.set &= ~bits;
  attributes.clear |= bits;
}

// The access time modes are one field of three values, not bits: mount_setattr(2) demands that the
// whole field is cleared whenever it changes.
void set_atime(MountAttributes& attributes, uint64_t mode) {
  attributes.clear |= MOUNT_ATTR__ATIME;
  attributes.set = (attributes.set & ~uint64_t{MOUNT_ATTR__ATIME}) | mode;
}

void clear_atime(MountAttributes& attributes, uint64_t mode) {
  const bool chosen = (attributes.clear & MOUNT_ATTR__ATIME) != 0;
  if (chosen && (attributes.set & MOUNT_ATTR__ATIME) != mode) return;
  set_atime(attributes, MOUNT_ATTR_RELATIME);
}

// Which field a flag without further meaning sets.
bool apply_simple(const MountOption& option, MountOptions& out) {
  switch (option.effect) {
    case OptionEffect::Bind:
      return out.bind = true;
    case OptionEffect::RecursiveBind:
      return out.bind = out.recursive_bind = true;
    case OptionEffect::Remount:
      return out.remount = true;
    case OptionEffect::Idmap:
      return out.idmap = true;
    case OptionEffect::RecursiveIdmap:
      return out.idmap = out.recursive_idmap = true;
    case OptionEffect::CopyUp:
      return out.copy_up = true;
    default:
      return false;
  }
}

void apply(const MountOption& option, const std::string& name, MountOptions& out) {
  if (apply_simple(option, out)) return;
  auto& attributes = option.scope == OptionScope::Tree ? out.recursive_attributes : out.attributes;
  switch (option.effect) {
    case OptionEffect::Set:
      return set_bits(attributes, option.value);
    case OptionEffect::Clear:
      return clear_bits(attributes, option.value);
    case OptionEffect::SetAtime:
      return set_atime(attributes, option.value);
    case OptionEffect::ClearAtime:
      return clear_atime(attributes, option.value);
    case OptionEffect::ReadOnly:
      out.read_only = true;
      return set_bits(attributes, option.value);
    case OptionEffect::ReadWrite:
      out.read_only = false;
      return clear_bits(attributes, option.value);
    case OptionEffect::Propagation:
      return out.propagation.push_back(option.value);
    case OptionEffect::Superblock: {
      // Mandatory locks left the kernel in 5.15; mount(2) ignores the flag since.
      const bool optional = name == "mand" || name == "nomand";
      out.superblock.push_back({.key = name, .value = std::nullopt, .optional = optional});
      return;
    }
    default:
      return;
  }
}

}  // namespace

MountOptions parse_mount_options(const std::vector<std::string>& options) {
  MountOptions out;
  for (std::size_t i = 0; i < options.size(); ++i) {
    for (const auto& option : split_element(options[i])) {
      if (option.empty() || for_user_space(option)) continue;
      if (const auto known = kMountOptions.find(option)) {
        apply(*known, option, out);
      } else if (const auto user_space = kUserSpaceOptions.find(option)) {
        apply(*user_space, option, out);
      } else {
        out.unknown.push_back({.index = i, .option = split_key(option)});
      }
    }
  }
  return out;
}

}  // namespace corten::plan
