// Makes tiled-data-little and tiled-data-big: DATA, FLAG and the scalar ID in one TiledDataStMan with two hypercubes, of 20
// rows of 4 × 3 and 11 rows of 5 × 2. Only C++ can add hypercubes.
//
//   g++ -I/usr/include/casacore tiled-data.cc -lcasa_tables -lcasa_casa -o tiled-data && ./tiled-data
#include <casacore/casa/Arrays/Vector.h>
#include <casacore/tables/DataMan/TiledDataStMan.h>
#include <casacore/tables/DataMan/TiledDataStManAccessor.h>
#include <casacore/tables/Tables.h>

using namespace casacore;

void make(const String& name, Table::EndianFormat endian) {
    TableDesc desc;
    desc.addColumn(ScalarColumnDesc<Int>("ID"));
    desc.addColumn(ArrayColumnDesc<Complex>("DATA", 2));
    desc.addColumn(ArrayColumnDesc<Bool>("FLAG", 2));
    desc.defineHypercolumn("Cubes", 3, stringToVector("DATA,FLAG"), Vector<String>(), stringToVector("ID"));
    SetupNewTable setup(name, desc, Table::New);
    TiledDataStMan manager("Cubes");
    setup.bindAll(manager);
    Table table(setup, 0, False, endian);
    TiledDataStManAccessor cubes(table, "Cubes");
    ArrayColumn<Complex> data(table, "DATA");
    ArrayColumn<Bool> flag(table, "FLAG");
    const IPosition shapes[] = {IPosition(3, 3, 4, 20), IPosition(3, 2, 5, 11)};
    const IPosition tiles[] = {IPosition(3, 3, 2, 8), IPosition(3, 2, 5, 4)};
    uInt row = 0;
    for (Int id = 0; id < 2; id++) {
        Record values;
        values.define("ID", id + 7);
        table.addRow(shapes[id](2));
        cubes.addHypercube(shapes[id], tiles[id], values);
        for (; row < table.nrow(); row++) {
            Matrix<Complex> cell(shapes[id](0), shapes[id](1));
            Matrix<Bool> flags(cell.shape());
            for (uInt i = 0; i < cell.nelements(); i++) {
                cell(i % cell.nrow(), i / cell.nrow()) = Complex(row, -0.5f * i);
                flags(i % cell.nrow(), i / cell.nrow()) = (row + i) % 3 == 0;
            }
            data.put(row, cell);
            flag.put(row, flags);
        }
    }
}

int main() {
    make("tiled-data-little", Table::LittleEndian);
    make("tiled-data-big", Table::BigEndian);
}
