// Exceptions become errors with a class. The class comes from the exception's type and from errno, never from its text.
#include <new>
#include <system_error>

#include <casacore/casa/Arrays/ArrayError.h>
#include <casacore/casa/Exceptions/Error.h>
#include <casacore/tables/DataMan/DataManError.h>
#include <casacore/tables/Tables/TableError.h>

#include "internal.h"

namespace {

cct_error out_of_memory{CCT_MEMORY, shim::NO_ROW, "out of memory"};

bool is_io(int code) {
    switch (code) {
    case ENOSPC:
    case EIO:
    case EDQUOT:
    case EFBIG:
    case EROFS:
    case EMFILE:
    case ENFILE:
    case ESTALE:
        return true;
    default:
        return false;
    }
}

}  // namespace

namespace shim {

cct_error* current_error() noexcept {
    using namespace casacore;
    const int code = errno;
    try {
        int32_t cls = CCT_OTHER;
        uint64_t row = NO_ROW;
        std::string message;
        try {
            throw;
        } catch (const Failure& e) {
            cls = e.cls;
            row = e.row;
            message = e.message;
        } catch (const std::bad_alloc&) {
            return &out_of_memory;
        } catch (const TableNoFile& e) {
            cls = CCT_NO_TABLE;
            message = e.what();
        } catch (const TableNoDir& e) {
            cls = CCT_NO_TABLE;
            message = e.what();
        } catch (const TableNoDatFile& e) {
            cls = CCT_NO_TABLE;
            message = e.what();
        } catch (const TableDuplFile& e) {
            cls = CCT_EXISTS;
            message = e.what();
        } catch (const TableInvDT& e) {
            cls = CCT_TYPE;
            message = e.what();
        } catch (const DataManInvDT& e) {
            cls = CCT_TYPE;
            message = e.what();
        } catch (const TableArrayConformanceError& e) {
            cls = CCT_SHAPE;
            message = e.what();
        } catch (const TableConformanceError& e) {
            cls = CCT_SHAPE;
            message = e.what();
        } catch (const ArrayError& e) {
            cls = CCT_SHAPE;
            message = e.what();
        } catch (const std::system_error& e) {
            cls = CCT_IO;
            message = e.what();
        } catch (const std::exception& e) {
            cls = is_io(code) ? CCT_IO : CCT_OTHER;
            message = e.what();
        } catch (...) {
            message = "an exception that is not derived from std::exception";
        }
        if (cls == CCT_IO && code != 0) {
            message += " (" + std::generic_category().message(code) + ")";
        }
        return new cct_error{cls, row, message};
    } catch (...) {
        return &out_of_memory;
    }
}

}  // namespace shim

int32_t cct_error_class(const cct_error* error) { return error->cls; }

uint64_t cct_error_row(const cct_error* error) { return error->row; }

const char* cct_error_message(const cct_error* error, size_t* length) {
    *length = error->message.size();
    return error->message.data();
}

void cct_error_free(cct_error* error) {
    if (error != &out_of_memory) {
        delete error;
    }
}

const uint8_t* cct_buffer_data(const cct_buffer* buffer, size_t* length) {
    *length = buffer->bytes.size();
    return buffer->bytes.data();
}

void cct_buffer_free(cct_buffer* buffer) { delete buffer; }
