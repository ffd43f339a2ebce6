const fs = require('fs');
const net = require('net');
const path = require('path');

const carpeta = process.env.SERVER_SHARED_FILES || path.join(__dirname, 'SharedFiles');
const gente = new Set();

const aTodos = (yo, texto) => {
  for (const s of gente) if (s !== yo) s.write(texto + '\n');
};

function orden(yo, linea) {
  if (!yo.nombre) {
    yo.nombre = linea;
    gente.add(yo);
    yo.write(`Bienvenido, ${linea}. Escribe /archivos, /bajar, /privado, /todos o /salir.\n`);
    return aTodos(yo, `${linea} ha entrado`);
  }
  const [palabra, ...resto] = linea.split(' ');
  const texto = resto.join(' ');
  if (palabra === '/privado') yo.para = texto;
  else if (palabra === '/todos') yo.para = null;
  else if (palabra === '/salir') yo.end();
  else if (palabra === '/archivos') {
    const nombres = fs.readdirSync(carpeta);
    yo.write(`Hay ${nombres.length} archivos\n`);
    for (const n of nombres) yo.write(`   ${n} (${fs.statSync(path.join(carpeta, n)).size} bytes)\n`);
  } else if (palabra === '/bajar') {
    const ruta = path.join(carpeta, path.basename(texto));
    if (!fs.existsSync(ruta)) return yo.write('No existe ese archivo\n');
    const datos = fs.readFileSync(ruta);
    yo.write(`@@ ${datos.length} ${path.basename(ruta)}\n`);
    yo.write(datos);
  } else if (yo.para) {
    for (const s of gente) if (s.nombre === yo.para) s.write(`(${yo.nombre} en privado) ${linea}\n`);
  } else {
    aTodos(yo, `${yo.nombre}: ${linea}`);
  }
}

net.createServer((yo) => {
  console.log(`Conectado ${yo.remoteAddress} puerto ${yo.remotePort}`);
  let pendiente = '';
  yo.setEncoding('utf8');
  yo.on('data', (trozo) => {
    const lineas = (pendiente + trozo).split('\n');
    pendiente = lineas.pop();
    lineas.forEach((l) => orden(yo, l.trim()));
  });
  yo.on('error', (e) => console.log('Error: ' + e.code));
  yo.on('close', () => {
    if (gente.delete(yo)) aTodos(yo, `${yo.nombre} ha salido`);
  });
}).listen(2000);
