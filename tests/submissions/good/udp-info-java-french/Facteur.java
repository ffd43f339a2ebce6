import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.nio.charset.StandardCharsets;

class Facteur {
    public static void main(String[] arguments) throws Exception {
        int porte = Integer.parseInt(arguments[0]);
        DatagramSocket boite = new DatagramSocket(porte);
        System.out.println("Le facteur attend à la porte " + porte);
        byte[] sac = new byte[65507];
        while (true) {
            DatagramPacket lettre = new DatagramPacket(sac, sac.length);
            boite.receive(lettre);
            String texte = new String(lettre.getData(), 0, lettre.getLength(), StandardCharsets.UTF_8);
            String ip = lettre.getAddress().getHostAddress();
            System.out.printf("Lettre « %s » de %s, porte %d%n", texte, ip, lettre.getPort());
            byte[] merci = "MERCI".getBytes(StandardCharsets.UTF_8);
            boite.send(new DatagramPacket(merci, merci.length, lettre.getSocketAddress()));
        }
    }
}
