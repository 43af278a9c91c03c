// What the files of the shim share: errors as exceptions of our own, the guard that stops every exception, records.
#ifndef CONTIMG_CASACORE_INTERNAL_H
#define CONTIMG_CASACORE_INTERNAL_H

#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include <casacore/casa/Containers/Record.h>
#include <casacore/tables/Tables/Table.h>
#include <casacore/tables/Tables/TableRecord.h>

#include "shim.h"

struct cct_error {
    int32_t cls;
    uint64_t row;
    std::string message;
};

struct cct_buffer {
    std::vector<uint8_t> bytes;
};

struct cct_table {
    casacore::Table table;
    // The columns that must be accessed cell by cell, and those with tiles, once they are known (column.cc).
    std::set<std::string> cellwise;
    std::set<std::string> tiled;
    bool managers_known = false;
    // Created with holes: values of tiled columns are not to go through this handle.
    bool holes = false;
};

namespace shim {

const uint64_t NO_ROW = UINT64_MAX;

// An error that the shim itself found, with its class.
struct Failure {
    int32_t cls;
    std::string message;
    uint64_t row = NO_ROW;
};

[[noreturn]] inline void fail(int32_t cls, const std::string& message, uint64_t row = NO_ROW) {
    throw Failure{cls, message, row};
}

// Turns the exception being handled into an error. Never throws.
cct_error* current_error() noexcept;

// Runs `body`, giving NULL or the error of whatever it threw.
template <class Body>
cct_error* guarded(Body&& body) noexcept {
    try {
        errno = 0;
        body();
        return nullptr;
    } catch (...) {
        return current_error();
    }
}

inline casacore::String text(const char* bytes, size_t length) {
    return length == 0 ? casacore::String() : casacore::String(std::string(bytes, length));
}

// Bytes written in the order that the Rust side reads them.
class Writer {
public:
    explicit Writer(std::vector<uint8_t>& bytes) : bytes_(bytes) {}
    template <class T>
    void put(T value) {
        raw(&value, sizeof value);
    }
    void put_string(const std::string& value) {
        put(static_cast<uint32_t>(value.size()));
        raw(value.data(), value.size());
    }
    void raw(const void* data, size_t length) {
        const uint8_t* p = static_cast<const uint8_t*>(data);
        bytes_.insert(bytes_.end(), p, p + length);
    }

private:
    std::vector<uint8_t>& bytes_;
};

// Bytes read back; every read is checked against the end.
class Reader {
public:
    Reader(const uint8_t* bytes, size_t length) : at_(bytes), left_(length) {}
    template <class T>
    T get() {
        T value;
        raw(&value, sizeof value);
        return value;
    }
    casacore::String get_string();
    void raw(void* data, size_t length);
    size_t left() const { return left_; }

private:
    const uint8_t* at_;
    size_t left_;
};

void write_record(Writer& out, const casacore::RecordInterface& record);
// A record without tables.
casacore::Record read_record(Reader& in);
// A record whose fields may be tables, which are opened to be named.
casacore::TableRecord read_table_record(Reader& in);

}  // namespace shim

#endif
