#include "batch/result_files.hpp"

#include "base/ids.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rivulet::batch {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view part_prefix = ".part-";
constexpr std::string_view lock_name = ".rivulet-results";
constexpr std::size_t id_digits = 32, file_digits = 16, extension_limit = 8;

failure system_failure(const fs::path& path, std::string_view what) {
    const error_code code(errno, boost::system::system_category());
    return {code, fmt::format("{} {}: {}", what, path.string(), std::strerror(code.value()))};
}

bool is_hex(std::string_view text) {
    return text.find_first_not_of("0123456789abcdef") == text.npos;
}

bool write_all(int file, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto n = ::write(file, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

} // namespace

bool is_result_name(std::string_view name) {
    constexpr auto stem = id_digits + 1 + file_digits;
    if (name.size() < stem + 2 || name.size() > stem + 1 + extension_limit)
        return false;
    const auto extension = name.substr(stem + 1);
    return is_hex(name.substr(0, id_digits)) && name[id_digits] == '-' &&
           is_hex(name.substr(id_digits + 1, file_digits)) && name[stem] == '.' &&
           extension.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == extension.npos;
}

outcome<std::unique_ptr<result_files>> result_files::open(fs::path folder) {
    std::error_code failed;
    fs::create_directories(folder, failed);
    if (failed)
        return failure(
            error_code(failed), fmt::format("can't make {}: {}", folder.string(), failed.message())
        );
    const auto lock_path = folder / lock_name;
    const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0)
        return system_failure(lock_path, "can't write");
    auto made = std::make_unique<result_files>(folder, lock);
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0)
        return failure(
            errc::already_exists,
            fmt::format(
                "{} is another process's result store: every gateway needs one of its own",
                folder.string()
            )
        );
    fs::directory_iterator entries(folder, failed);
    if (failed)
        return failure(
            error_code(failed), fmt::format("can't read {}: {}", folder.string(), failed.message())
        );
    for (const auto& entry : entries)
        if (entry.path().filename().string().starts_with(part_prefix))
            fs::remove(entry.path(), failed);
    return made;
}

result_files::~result_files() {
    ::close(lock_);
}

std::vector<result_files::left_over> result_files::list() const {
    std::vector<left_over> found;
    std::error_code failed;
    fs::directory_iterator entries(folder_, failed);
    if (failed)
        return found;
    const auto now = fs::file_time_type::clock::now();
    for (const auto& entry : entries) {
        left_over file;
        file.name = entry.path().filename().string();
        if (!is_result_name(file.name) || !entry.is_regular_file(failed) ||
            entry.is_symlink(failed))
            continue;
        file.size = entry.file_size(failed);
        if (failed)
            continue;
        const auto written = entry.last_write_time(failed);
        if (failed)
            continue;
        file.age = std::max(std::chrono::duration_cast<duration>(now - written), duration::zero());
        found.push_back(std::move(file));
    }
    return found;
}

outcome<void> result_files::write(const std::string& name, std::string_view bytes) {
    const auto part = folder_ / (std::string(part_prefix) + random_hex(8));
    const int file = ::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return system_failure(part, "can't write");
    const bool written = write_all(file, bytes);
    auto why = system_failure(part, "can't write");
    const bool closed = ::close(file) == 0;
    if (written && !closed)
        why = system_failure(part, "can't write");
    if (written && closed) {
        const auto path = folder_ / name;
        if (::rename(part.c_str(), path.c_str()) == 0)
            return outcome<void>();
        why = system_failure(path, "can't write");
    }
    ::unlink(part.c_str());
    return why;
}

void result_files::remove(const std::string& name) {
    if (is_result_name(name))
        ::unlink((folder_ / name).c_str());
}

int result_files::open_file(const std::string& name) const {
    if (!is_result_name(name))
        return -1;
    return ::open((folder_ / name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

} // namespace rivulet::batch
