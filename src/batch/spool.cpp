#include "batch/spool.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace rivulet::batch {
namespace {

error_code system_code() {
    return {errno, boost::system::system_category()};
}

// Without a name from the beginning where the file system can, else without one at once.
result<int> open_nameless(std::filesystem::path folder) {
    if (folder.empty()) {
        std::error_code failed;
        folder = std::filesystem::temp_directory_path(failed);
        if (failed)
            folder = "/tmp";
    }
    int file = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    if (file >= 0)
        return file;
    // Kernels and file systems without O_TMPFILE answer one of these.
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL && errno != ENOENT)
        return system_code();
    auto name = (folder / "rivulet-upload-XXXXXX").string();
    file = ::mkostemp(name.data(), O_CLOEXEC);
    if (file < 0)
        return system_code();
    ::unlink(name.c_str());
    return file;
}

error_code write_all(int file, std::span<const std::uint8_t> piece, std::uint64_t offset) {
    while (!piece.empty()) {
        const auto n = ::pwrite(file, piece.data(), piece.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return system_code();
        piece = piece.subspan(static_cast<std::size_t>(n));
        offset += static_cast<std::uint64_t>(n);
    }
    return {};
}

} // namespace

struct spool::impl {
    explicit impl(spool_limits l) : limits(std::move(l)) {}

    ~impl() {
        if (file >= 0)
            ::close(file);
    }

    error_code move_to_file();

    const spool_limits limits;
    std::uint64_t size = 0;
    std::vector<std::uint8_t> memory; // while there is no file
    int file = -1;
    error_code failed; // a write that failed in part leaves nothing that could be used
};

error_code spool::impl::move_to_file() {
    auto opened = open_nameless(limits.folder);
    if (!opened)
        return opened.error();
    file = *opened;
    auto unwritten = write_all(file, memory, 0);
    memory = {};
    return unwritten;
}

spool::spool(spool_limits limits) : impl_(std::make_unique<impl>(std::move(limits))) {}

spool::~spool() = default;

error_code spool::write(std::span<const std::uint8_t> piece) {
    auto& to = *impl_;
    if (to.failed || piece.empty())
        return to.failed;
    if (piece.size() > to.limits.most - to.size) {
        to.failed = make_error_code(errc::too_large);
    } else if (fits_memory(piece.size())) {
        to.memory.insert(to.memory.end(), piece.begin(), piece.end());
    } else {
        if (to.file < 0)
            to.failed = to.move_to_file();
        if (!to.failed)
            to.failed = write_all(to.file, piece, to.size);
    }
    if (!to.failed)
        to.size += piece.size();
    return to.failed;
}

std::uint64_t spool::size() const {
    return impl_->size;
}

bool spool::fits_memory(std::size_t piece) const {
    return impl_->file < 0 && impl_->size <= impl_->limits.memory &&
           piece <= impl_->limits.memory - impl_->size;
}

std::optional<std::string_view> spool::view() const {
    if (impl_->file >= 0)
        return std::nullopt;
    return std::string_view(
        reinterpret_cast<const char*>(impl_->memory.data()), impl_->memory.size()
    );
}

result<std::size_t> spool::read(std::uint64_t offset, std::span<std::uint8_t> into) const {
    const auto& from = *impl_;
    if (offset >= from.size || into.empty())
        return std::size_t{0};
    const auto most =
        static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), from.size - offset));
    if (from.file < 0) {
        std::memcpy(into.data(), from.memory.data() + offset, most);
        return most;
    }
    std::size_t got = 0;
    while (got < most) {
        const auto n =
            ::pread(from.file, into.data() + got, most - got, static_cast<off_t>(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return system_code();
        if (n == 0) // somebody cut the file
            return error_code(EIO, boost::system::system_category());
        got += static_cast<std::size_t>(n);
    }
    return got;
}

} // namespace rivulet::batch
