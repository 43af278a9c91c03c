// Values of columns, in bulk, into and from the caller's memory.
#include <memory>

#include <casacore/casa/Arrays/Slicer.h>
#include <casacore/tables/Tables/ArrayColumn.h>
#include <casacore/tables/Tables/ColumnDesc.h>
#include <casacore/tables/Tables/RefRows.h>
#include <casacore/tables/Tables/ScalarColumn.h>
#include <casacore/tables/Tables/TableColumn.h>
#include <casacore/tables/Tables/TableDesc.h>

#include "internal.h"

using namespace casacore;

namespace {

using shim::fail;
using shim::guarded;
using shim::text;

// A column and the rows wanted of it, checked before casacore sees them.
struct Access {
    const Table& table;
    String name;
    const ColumnDesc& desc;
    const cct_rows& rows;
    const bool cellwise;

    uint64_t row(uint64_t i) const { return rows.list == nullptr ? rows.first + i : rows.list[i]; }
    Slicer range() const { return Slicer(IPosition(1, rows.first), IPosition(1, rows.count)); }
    RefRows list() const {
        Vector<rownr_t> numbers(rows.count);
        for (uint64_t i = 0; i < rows.count; i++) {
            numbers[i] = rows.list[i];
        }
        return RefRows(numbers);
    }
};

// Learns which columns have tiles, and whose cells must be read and written one by one: TSMDataColumn::accessColumnCells takes it that the
// rows are the last axis of a hypercube, which is not so for the tiled cell manager (whose cubes are single cells) and
// not always for the tiled data manager: it then reads past its arrays. getColumnRange comes to the same.
void learn_managers(cct_table* table) {
    const TableDesc desc = table->table.actualTableDesc();
    table->cellwise.clear();
    table->tiled.clear();
    for (uInt i = 0; i < desc.ncolumn(); i++) {
        const String& manager = desc[i].dataManagerType();
        if (manager == "TiledCellStMan" || manager == "TiledDataStMan") {
            table->cellwise.insert(desc[i].name());
        }
        if (manager.startsWith("Tiled")) {
            table->tiled.insert(desc[i].name());
        }
    }
    table->managers_known = true;
}

Access access(cct_table* table, const char* column, size_t column_len, const cct_rows* rows, bool write) {
    const String name = text(column, column_len);
    const Table& t = table->table;
    if (!t.tableDesc().isColumn(name)) {
        fail(CCT_NO_COLUMN, "no column " + name);
    }
    if (write && !t.isColumnWritable(name)) {
        fail(CCT_READ_ONLY, "column " + name + " cannot be written");
    }
    const uint64_t total = t.nrow();
    if (rows->list == nullptr) {
        if (rows->first > total || rows->count > total - rows->first) {
            fail(CCT_ROW_RANGE, "the table has " + String::toString(total) + " rows", rows->first + rows->count - 1);
        }
    } else {
        for (uint64_t i = 0; i < rows->count; i++) {
            if (rows->list[i] >= total) {
                fail(CCT_ROW_RANGE, "the table has " + String::toString(total) + " rows", rows->list[i]);
            }
        }
    }
    if (!table->managers_known) {
        learn_managers(table);
    }
    if (table->holes && table->tiled.count(name) != 0) {
        fail(CCT_READ_ONLY, "column " + name + " through the handle that created it with holes; close the table first");
    }
    return Access{t, name, t.tableDesc().columnDesc(name), *rows, table->cellwise.count(name) != 0};
}

// The names that the Rust side uses.
const char* type_name(DataType type) {
    switch (type) {
    case TpBool: return "bool";
    case TpUChar: return "u8";
    case TpShort: return "i16";
    case TpUShort: return "u16";
    case TpInt: return "i32";
    case TpUInt: return "u32";
    case TpInt64: return "i64";
    case TpFloat: return "f32";
    case TpDouble: return "f64";
    case TpComplex: return "complex32";
    case TpDComplex: return "complex64";
    case TpString: return "string";
    case TpRecord: return "record";
    default: return "other";
    }
}

void need_type(const Access& a, DataType type) {
    if (a.desc.dataType() != type) {
        fail(CCT_TYPE, "column " + a.name + " holds " + type_name(a.desc.dataType()) + ", not " + type_name(type));
    }
}

// A fixed shape may also be given only when the manager is bound; then every cell tells it.
bool fixed_shape(const Access& a) {
    return (a.desc.options() & ColumnDesc::FixedShape) != 0 && a.desc.shape().nelements() != 0;
}

// The shape that every wanted cell has. Cells of a column without a fixed shape are looked at one by one: casacore
// itself does not check all of them and would read past its arrays.
IPosition common_shape(const Access& a) {
    if (fixed_shape(a)) {
        return a.desc.shape();
    }
    TableColumn column(a.table, a.name);
    IPosition shape;
    for (uint64_t i = 0; i < a.rows.count; i++) {
        const uint64_t row = a.row(i);
        if (!column.isDefined(row)) {
            fail(CCT_UNDEFINED, "column " + a.name + " has an undefined cell", row);
        }
        const IPosition here = column.shape(row);
        if (i == 0) {
            shape = here;
        } else if (!here.isEqual(shape)) {
            fail(CCT_SHAPE, "column " + a.name + " has cells of different shapes", row);
        }
    }
    return shape;
}

// The slicer of a part of a cell, checked against the cell's shape.
Slicer cell_slicer(const Access& a, const IPosition& cell, const cct_slice& slice) {
    if (slice.ndim != cell.nelements()) {
        fail(CCT_SHAPE, "a slice of " + String::toString(slice.ndim) + " axes was asked of column " + a.name +
                            ", whose cells have " + String::toString(cell.nelements()));
    }
    IPosition start(slice.ndim), length(slice.ndim), step(slice.ndim);
    for (size_t i = 0; i < slice.ndim; i++) {
        start[i] = slice.start[i];
        length[i] = slice.length[i];
        step[i] = slice.step[i];
        const bool inside = start[i] >= 0 && length[i] > 0 && step[i] > 0 && start[i] < cell[i] &&
                            (length[i] - 1) <= (cell[i] - 1 - start[i]) / step[i];
        if (!inside) {
            fail(CCT_SHAPE, "a slice of column " + a.name + " lies outside its cells' shape " + cell.toString());
        }
    }
    return Slicer(start, length, step);
}

void need_none(size_t elements) {
    if (elements != 0) {
        fail(CCT_SHAPE, "no rows for " + String::toString(elements) + " values");
    }
}

// The elements of a cell. The shape may come from a damaged file.
size_t volume(const IPosition& shape) {
    size_t elements = shape.nelements() == 0 ? 0 : 1;
    for (uInt i = 0; i < shape.nelements(); i++) {
        if (shape[i] < 0 || __builtin_mul_overflow(elements, static_cast<size_t>(shape[i]), &elements)) {
            fail(CCT_SHAPE, "a cell of impossible shape " + shape.toString());
        }
    }
    return elements;
}

// The shape of what is read or written, rows last, and whether it has as many elements as the caller's memory.
IPosition whole_shape(const IPosition& cell, uint64_t rows, size_t elements) {
    const IPosition shape = cell.concatenate(IPosition(1, rows));
    if (volume(shape) != elements) {
        fail(CCT_SHAPE, "the cells hold " + String::toString(shape.product()) + " values of shape " +
                            shape.toString() + ", the caller's memory " + String::toString(elements));
    }
    return shape;
}

template <class T>
void get_values(const Access& a, const cct_slice& slice, T* values, size_t elements) {
    if (a.desc.isScalar()) {
        const IPosition shape = whole_shape(IPosition(), a.rows.count, elements);
        Vector<T> out(shape, values, SHARE);
        ScalarColumn<T> column(a.table, a.name);
        if (a.rows.list == nullptr) {
            column.getColumnRange(a.range(), out);
        } else {
            column.getColumnCells(a.list(), out);
        }
        return;
    }
    const IPosition cell = common_shape(a);
    ArrayColumn<T> column(a.table, a.name);
    if (slice.ndim == 0) {
        Array<T> out(whole_shape(cell, a.rows.count, elements), values, SHARE);
        if (a.cellwise) {
            for (uint64_t i = 0; i < a.rows.count; i++) {
                Array<T> one(cell, values + i * volume(cell), SHARE);
                column.get(a.row(i), one);
            }
        } else if (a.rows.list == nullptr) {
            column.getColumnRange(a.range(), out);
        } else {
            column.getColumnCells(a.list(), out);
        }
    } else {
        const Slicer part = cell_slicer(a, cell, slice);
        Array<T> out(whole_shape(part.length(), a.rows.count, elements), values, SHARE);
        if (a.cellwise) {
            for (uint64_t i = 0; i < a.rows.count; i++) {
                Array<T> one(part.length(), values + i * volume(part.length()), SHARE);
                column.getSlice(a.row(i), part, one);
            }
        } else if (a.rows.list == nullptr) {
            column.getColumnRange(a.range(), part, out);
        } else {
            column.getColumnCells(a.list(), part, out);
        }
    }
}

// The array of the caller's values: it is only read.
template <class T>
Array<T> borrowed(const IPosition& shape, const T* values) {
    return Array<T>(shape, const_cast<T*>(values), SHARE);
}

template <class T>
void put_scalars(const Access& a, const T* values, size_t elements) {
    const Vector<T> in(borrowed(whole_shape(IPosition(), a.rows.count, elements), values));
    ScalarColumn<T> column(a.table, a.name);
    if (a.rows.list == nullptr) {
        column.putColumnRange(a.range(), in);
    } else {
        column.putColumnCells(a.list(), in);
    }
}

template <class T>
void put_all(const Access& a, const cct_slice& slice, const T* values, size_t elements) {
    if (a.desc.isScalar()) {
        put_scalars(a, values, elements);
        return;
    }
    const IPosition cell = common_shape(a);
    ArrayColumn<T> column(a.table, a.name);
    if (slice.ndim == 0) {
        const Array<T> in = borrowed(whole_shape(cell, a.rows.count, elements), values);
        if (a.cellwise) {
            for (uint64_t i = 0; i < a.rows.count; i++) {
                column.put(a.row(i), borrowed(cell, values + i * volume(cell)));
            }
        } else if (a.rows.list == nullptr) {
            column.putColumnRange(a.range(), in);
        } else {
            column.putColumnCells(a.list(), in);
        }
    } else {
        const Slicer part = cell_slicer(a, cell, slice);
        const Array<T> in = borrowed(whole_shape(part.length(), a.rows.count, elements), values);
        if (a.cellwise) {
            for (uint64_t i = 0; i < a.rows.count; i++) {
                column.putSlice(a.row(i), part, borrowed(part.length(), values + i * volume(part.length())));
            }
        } else if (a.rows.list == nullptr) {
            column.putColumnRange(a.range(), part, in);
        } else {
            column.putColumnCells(a.list(), part, in);
        }
    }
}

// Calls `body` with a null pointer of the C++ type of `type`.
template <class Body>
void with_type(int32_t type, Body&& body) {
    switch (static_cast<DataType>(type)) {
    case TpBool: body(static_cast<Bool*>(nullptr)); break;
    case TpUChar: body(static_cast<uChar*>(nullptr)); break;
    case TpShort: body(static_cast<Short*>(nullptr)); break;
    case TpUShort: body(static_cast<uShort*>(nullptr)); break;
    case TpInt: body(static_cast<Int*>(nullptr)); break;
    case TpUInt: body(static_cast<uInt*>(nullptr)); break;
    case TpInt64: body(static_cast<Int64*>(nullptr)); break;
    case TpFloat: body(static_cast<Float*>(nullptr)); break;
    case TpDouble: body(static_cast<Double*>(nullptr)); break;
    case TpComplex: body(static_cast<Complex*>(nullptr)); break;
    case TpDComplex: body(static_cast<DComplex*>(nullptr)); break;
    default: fail(CCT_TYPE, "not a numeric type");
    }
}

// A Bool of a damaged file could be another byte than 0 or 1, which Rust's bool must never be.
void normalise(int32_t type, void* values, size_t elements) {
    if (static_cast<DataType>(type) == TpBool) {
        uint8_t* bytes = static_cast<uint8_t*>(values);
        for (size_t i = 0; i < elements; i++) {
            bytes[i] = bytes[i] != 0 ? 1 : 0;
        }
    }
}

// The shapes that the caller gives for cells of differing shapes.
class Shapes {
public:
    Shapes(const int64_t* shapes, size_t length) : at_(shapes), left_(length) {}
    // False when the cell is to stay as it is.
    bool next(IPosition& shape) {
        const int64_t axes = take();
        if (axes < 0) {
            return false;
        }
        shape.resize(axes, false);
        for (int64_t i = 0; i < axes; i++) {
            shape[i] = take();
            if (shape[i] < 0) {
                fail(CCT_SHAPE, "a cell's shape has a negative length");
            }
        }
        return true;
    }

private:
    int64_t take() {
        if (left_ == 0) {
            fail(CCT_ARGUMENT, "the cells' shapes end early");
        }
        left_--;
        return *at_++;
    }
    const int64_t* at_;
    size_t left_;
};

}  // namespace

cct_error* cct_column_get(cct_table* table, const char* column, size_t column_len, const cct_rows* rows,
                          const cct_slice* slice, int32_t type, void* values, size_t elements) {
    return guarded([&] {
        const Access a = access(table, column, column_len, rows, false);
        need_type(a, static_cast<DataType>(type));
        if (rows->count == 0) {
            need_none(elements);
            return;
        }
        with_type(type, [&](auto* kind) {
            using T = typename std::remove_pointer<decltype(kind)>::type;
            get_values<T>(a, *slice, static_cast<T*>(values), elements);
        });
        normalise(type, values, elements);
    });
}

cct_error* cct_column_put(cct_table* table, const char* column, size_t column_len, const cct_rows* rows,
                          const cct_slice* slice, int32_t type, const void* values, size_t elements) {
    return guarded([&] {
        const Access a = access(table, column, column_len, rows, true);
        need_type(a, static_cast<DataType>(type));
        if (rows->count == 0) {
            need_none(elements);
            return;
        }
        with_type(type, [&](auto* kind) {
            using T = typename std::remove_pointer<decltype(kind)>::type;
            put_all<T>(a, *slice, static_cast<const T*>(values), elements);
        });
    });
}

cct_error* cct_column_get_strings(cct_table* table, const char* column, size_t column_len, const cct_rows* rows,
                                  const cct_slice* slice, cct_buffer** out) {
    return guarded([&] {
        const Access a = access(table, column, column_len, rows, false);
        need_type(a, TpString);
        std::unique_ptr<cct_buffer> buffer(new cct_buffer);
        shim::Writer writer(buffer->bytes);
        if (rows->count != 0) {
            IPosition cell;
            if (!a.desc.isScalar()) {
                cell = common_shape(a);
                if (slice->ndim != 0) {
                    cell = cell_slicer(a, cell, *slice).length();
                }
            }
            const size_t elements = volume(cell.concatenate(IPosition(1, rows->count)));
            std::vector<String> strings(elements);
            get_values<String>(a, *slice, strings.data(), elements);
            for (const String& s : strings) {
                writer.put_string(s);
            }
        }
        *out = buffer.release();
    });
}

cct_error* cct_column_get_records(cct_table* table, const char* column, size_t column_len, const cct_rows* rows,
                                  cct_buffer** out) {
    return guarded([&] {
        const Access a = access(table, column, column_len, rows, false);
        need_type(a, TpRecord);
        std::unique_ptr<cct_buffer> buffer(new cct_buffer);
        shim::Writer writer(buffer->bytes);
        ScalarColumn<TableRecord> cells(a.table, a.name);
        for (uint64_t i = 0; i < rows->count; i++) {
            shim::write_record(writer, cells.get(a.row(i)));
        }
        *out = buffer.release();
    });
}

cct_error* cct_column_put_strings(cct_table* table, const char* column, size_t column_len, const cct_rows* rows,
                                  const uint8_t* strings, size_t strings_len, size_t elements) {
    return guarded([&] {
        const Access a = access(table, column, column_len, rows, true);
        need_type(a, TpString);
        if (rows->count == 0) {
            need_none(elements);
            return;
        }
        shim::Reader in(strings, strings_len);
        std::vector<String> values(elements);
        for (String& s : values) {
            s = in.get_string();
        }
        const cct_slice all{0, nullptr, nullptr, nullptr};
        put_all<String>(a, all, values.data(), elements);
    });
}

cct_error* cct_column_shapes(cct_table* table, const char* column, size_t column_len, const cct_rows* rows,
                             cct_buffer** out) {
    return guarded([&] {
        const Access a = access(table, column, column_len, rows, false);
        std::unique_ptr<cct_buffer> buffer(new cct_buffer);
        shim::Writer writer(buffer->bytes);
        TableColumn cells(a.table, a.name);
        for (uint64_t i = 0; i < rows->count; i++) {
            const uint64_t row = a.row(i);
            if (!cells.isDefined(row)) {
                writer.put(int64_t(-1));
            } else if (a.desc.isScalar()) {
                writer.put(int64_t(0));
            } else {
                const IPosition shape = cells.shape(row);
                writer.put(static_cast<int64_t>(shape.nelements()));
                for (uInt axis = 0; axis < shape.nelements(); axis++) {
                    writer.put(static_cast<int64_t>(shape[axis]));
                }
            }
        }
        *out = buffer.release();
    });
}

cct_error* cct_column_get_ragged(cct_table* table, const char* column, size_t column_len, const cct_rows* rows,
                                 int32_t type, void* values, size_t elements) {
    return guarded([&] {
        const Access a = access(table, column, column_len, rows, false);
        need_type(a, static_cast<DataType>(type));
        if (a.desc.isScalar()) {
            fail(CCT_SHAPE, "column " + a.name + " holds scalars");
        }
        with_type(type, [&](auto* kind) {
            using T = typename std::remove_pointer<decltype(kind)>::type;
            ArrayColumn<T> cells(a.table, a.name);
            T* at = static_cast<T*>(values);
            size_t left = elements;
            for (uint64_t i = 0; i < rows->count; i++) {
                const uint64_t row = a.row(i);
                if (!cells.isDefined(row)) {
                    continue;
                }
                const IPosition shape = cells.shape(row);
                const size_t length = volume(shape);
                if (length > left) {
                    fail(CCT_SHAPE, "the cells hold more values than the caller's memory", row);
                }
                if (length != 0) {
                    Array<T> cell(shape, at, SHARE);
                    cells.get(row, cell);
                }
                at += length;
                left -= length;
            }
            if (left != 0) {
                fail(CCT_SHAPE, "the cells hold fewer values than the caller's memory");
            }
        });
        normalise(type, values, elements);
    });
}

cct_error* cct_column_put_ragged(cct_table* table, const char* column, size_t column_len, const cct_rows* rows,
                                 const int64_t* shapes, size_t shapes_len, int32_t type, const void* values,
                                 size_t elements) {
    return guarded([&] {
        const Access a = access(table, column, column_len, rows, true);
        need_type(a, static_cast<DataType>(type));
        if (a.desc.isScalar()) {
            fail(CCT_SHAPE, "column " + a.name + " holds scalars");
        }
        with_type(type, [&](auto* kind) {
            using T = typename std::remove_pointer<decltype(kind)>::type;
            ArrayColumn<T> cells(a.table, a.name);
            const T* at = static_cast<const T*>(values);
            size_t left = elements;
            Shapes each(shapes, shapes_len);
            IPosition shape;
            for (uint64_t i = 0; i < rows->count; i++) {
                if (!each.next(shape)) {
                    continue;
                }
                const size_t length = volume(shape);
                if (length > left) {
                    fail(CCT_SHAPE, "the shapes hold more values than were given", a.row(i));
                }
                cells.put(a.row(i), borrowed(shape, at));
                at += length;
                left -= length;
            }
            if (left != 0) {
                fail(CCT_SHAPE, "the shapes hold fewer values than were given");
            }
        });
    });
}

cct_error* cct_column_get_ragged_strings(cct_table* table, const char* column, size_t column_len,
                                         const cct_rows* rows, cct_buffer** out) {
    return guarded([&] {
        const Access a = access(table, column, column_len, rows, false);
        need_type(a, TpString);
        if (a.desc.isScalar()) {
            fail(CCT_SHAPE, "column " + a.name + " holds scalars");
        }
        std::unique_ptr<cct_buffer> buffer(new cct_buffer);
        shim::Writer writer(buffer->bytes);
        ArrayColumn<String> cells(a.table, a.name);
        for (uint64_t i = 0; i < rows->count; i++) {
            if (cells.isDefined(a.row(i))) {
                const Array<String> cell = cells.get(a.row(i));
                for (auto it = cell.begin(); it != cell.end(); ++it) {
                    writer.put_string(*it);
                }
            }
        }
        *out = buffer.release();
    });
}

cct_error* cct_column_put_ragged_strings(cct_table* table, const char* column, size_t column_len,
                                         const cct_rows* rows, const int64_t* shapes, size_t shapes_len,
                                         const uint8_t* strings, size_t strings_len) {
    return guarded([&] {
        const Access a = access(table, column, column_len, rows, true);
        need_type(a, TpString);
        if (a.desc.isScalar()) {
            fail(CCT_SHAPE, "column " + a.name + " holds scalars");
        }
        ArrayColumn<String> cells(a.table, a.name);
        shim::Reader in(strings, strings_len);
        Shapes each(shapes, shapes_len);
        IPosition shape;
        for (uint64_t i = 0; i < rows->count; i++) {
            if (!each.next(shape)) {
                continue;
            }
            if (volume(shape) > in.left() / sizeof(uint32_t)) {
                fail(CCT_SHAPE, "the shapes hold more strings than were given", a.row(i));
            }
            Array<String> cell(shape);
            for (auto it = cell.begin(); it != cell.end(); ++it) {
                *it = in.get_string();
            }
            cells.put(a.row(i), cell);
        }
    });
}
